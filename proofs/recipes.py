"""The official recipes as recipes of a launch: a checkout is named, a dataset uploaded, and each is launched with its
fields; its losses are on record, its outcome and its four files on the page, and its checkpoints listed. The first one
is launched once more, cancelled after a checkpoint and resumed: it goes on at its row, with the losses of the other.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from django.core.management import call_command

from benchmarks.session import BASE_URL, make_api_key, set_up_django, sign_in
from connections.providers.official import SDK_VERSION

SAMPLE = Path("trainer/recipes/sample_sft.jsonl").absolute()
NAME = "official"
ROWS = 40
OVER = ("COMPLETED", "FAILED", "CANCELLED")
LONGEST_SECONDS = 2400
MOST_APART = 5e-3
"""What the losses of a run that went on may be apart from those of one that was let alone: two of these were 2e-3
apart, since adapters begin by chance, and one on other rows 2e-2.
"""
Found = TypeVar("Found")
V1 = f"{BASE_URL}/v1/accounts/local"


@dataclass(frozen=True)
class Launched:
    """A recipe by its module, the shape that it trains, the dataset, and what else it is told."""

    module: str
    shape: str
    dataset: str
    more: dict[str, Any] = field(default_factory=dict)


LAUNCHED = (
    Launched("sft_loop", "tiny-qwen3-chat-2k-lora", "conversations", {"epochs": 4, "evaluation_split": 10, "seed": 1}),
    Launched("dpo_loop", "tiny-qwen3-chat-2k-lora", "preferences", {"beta": 0.1}),
    Launched("orpo_loop", "tiny-qwen3-chat-2k-lora", "preferences", {"beta": 0.1}),
)


def prove(checkout: Path, sdk: str = SDK_VERSION) -> bool:
    """Print what became of each; whether all were as they should be."""
    set_up_django()
    call_command("checkout", NAME, "--path", str(checkout.resolve()), "--commit", "HEAD", "--sdk", sdk)
    client = httpx.Client(headers={"X-Api-Key": make_api_key(f"recipes {time.time():.0f}")}, timeout=60)
    for name, rows in _data().items():
        _upload(client, name, rows)
    browser = sign_in()
    names = [_launch(client, LAUNCHED[0])]
    went_well = [_judge(client, browser, LAUNCHED[0], names[0])]
    went_well.append(_interrupt(client, browser, LAUNCHED[0], whole=_records(browser, names[0])))
    went_well += [_judge(client, browser, each, _launch(client, each)) for each in LAUNCHED[1:]]
    return all(went_well)


def _launch(client: httpx.Client, each: Launched) -> str:
    """The job's name. Errors: `httpx.HTTPStatusError`, with what was refused printed."""
    recipe = {"name": f"{NAME}/{each.module}", "epochs": 2, "batch_rows": 4, "save_every": 5, **each.more}
    body = {
        "dataset": f"accounts/local/datasets/{each.dataset}",
        "recipe": recipe,
        "trainingConfig": {"learningRate": 1e-3},
    }
    shape = f"accounts/local/trainingShapes/{each.shape}"
    asked = client.post(f"{V1}/rlorTrainerJobs", params={"trainingShape": shape}, json=body)
    if asked.status_code != httpx.codes.OK:
        _say(False, each.module, asked.text[:500])
    name: str = asked.raise_for_status().json()["name"]
    return name


def _interrupt(client: httpx.Client, browser: httpx.Client, each: Launched, whole: list[dict[str, Any]]) -> bool:
    """Cancel another one once it has saved, resume it, and lay its losses beside those of the whole run."""
    name = _launch(client, each)
    _until(lambda: _saved(client, name) or _over(client, name), f"{name} has saved nothing")
    client.post(f"{BASE_URL}/v1/{name}:cancel", json={}).raise_for_status()
    before = _wait(client, name)["state"]
    client.post(f"{BASE_URL}/v1/{name}:resume", json={}).raise_for_status()
    after = _wait(client, name)["state"]
    records = _records(browser, name)
    again = [record["step"] for record in records if record["attempt"] > 1]
    apart = [abs(one["loss"] - other["loss"]) for one, other in zip(records, whole, strict=False)]
    steps = [record["step"] for record in records] == [record["step"] for record in whole]
    words = f"{before} and {after}; attempt 2 had the steps {again[:1]} to {again[-1:]}; the losses are"
    good = before.endswith("CANCELLED") and after.endswith("COMPLETED") and steps and again[0] > 1
    return _say(
        good and max(apart) < MOST_APART, f"{each.module}, resumed", f"{words} {max(apart, default=0):.1e} apart"
    )


def _saved(client: httpx.Client, name: str) -> list[Any]:
    found: list[Any] = client.get(f"{BASE_URL}/v1/{name}/checkpoints").raise_for_status().json()["checkpoints"]
    return found


def _records(browser: httpx.Client, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        browser.get(f"{_page(browser, name).url.path}/metrics").raise_for_status().json()["records"]
    )
    return found


def _judge(client: httpx.Client, browser: httpx.Client, each: Launched, name: str) -> bool:
    began = time.monotonic()
    job = _wait(client, name)
    seconds = time.monotonic() - began
    state = job["state"].removeprefix("JOB_STATE_")
    page = _page(browser, name)
    losses = [record["loss"] for record in _records(browser, name)]
    saved = _saved(client, name)
    first, last = (losses[0], losses[-1]) if losses else (0.0, 0.0)
    shown = 'data-run="COMPLETED"' in page.text and "100 %" in page.text
    words = f"{state} in {seconds:.0f} s; {len(losses)} steps, loss {first:.3f} to {last:.3f}; {len(saved)} checkpoints"
    good = state == "COMPLETED" and shown and bool(saved) and len(losses) > 1
    return _say(good, each.module, words if good else f"{words}; {json.dumps(job.get('status'))[:1500]}")


def _page(browser: httpx.Client, name: str) -> httpx.Response:
    """The launch's, found as people do."""
    found = re.search(
        r'href="(/launches/[0-9a-f-]{36})"', browser.get("/launches", params={"q": name.rpartition("/")[2]}).text
    )
    assert found, name
    return browser.get(found[1]).raise_for_status()


def _wait(client: httpx.Client, name: str) -> dict[str, Any]:
    return _until(lambda: _over(client, name), f"{name} is not over")


def _over(client: httpx.Client, name: str) -> dict[str, Any] | None:
    job: dict[str, Any] = client.get(f"{BASE_URL}/v1/{name}").raise_for_status().json()
    return job if job["state"].endswith(OVER) else None


def _until(find: Callable[[], Found | None], otherwise: str) -> Found:
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        if found := find():
            return found
        time.sleep(0.5)
    raise TimeoutError(f"{otherwise} after {LONGEST_SECONDS} s.")


def _upload(client: httpx.Client, name: str, rows: list[dict[str, Any]]) -> None:
    content = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    made = client.post(f"{V1}/datasets", json={"datasetId": name, "dataset": {"displayName": name}})
    if made.status_code == httpx.codes.CONFLICT:
        return
    made.raise_for_status()
    client.put(f"{V1}/datasets/{name}:upload", content=content).raise_for_status()
    deadline = time.monotonic() + 60
    while client.get(f"{V1}/datasets/{name}").json()["state"] != "READY":
        if time.monotonic() > deadline:
            raise TimeoutError(f"The dataset {name} is not ready.")
        time.sleep(0.5)


def _data() -> dict[str, list[dict[str, Any]]]:
    """Conversations of the bundled sample; as preferences, each answer before that of the question after it."""
    rows = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()][:ROWS]
    pairs = zip(rows, [*rows[1:], rows[0]], strict=True)
    return {
        "conversations": [{"messages": _turns(row["prompt"], row["completion"])} for row in rows],
        "preferences": [
            {"prompt": row["prompt"], "chosen": row["completion"], "rejected": other["completion"]}
            for row, other in pairs
        ],
    }


def _turns(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _say(good: bool, what: str, words: str) -> bool:
    print(f"{'ok  ' if good else 'FAIL'} {what}: {words}", flush=True)
    return good
