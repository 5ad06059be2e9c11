"""The official recipes as recipes of a launch: a checkout is named, a dataset uploaded, and each is launched with its
fields; its losses are on record, its outcome and its four files on the page, and its checkpoints listed.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from django.core.management import call_command

from benchmarks.session import BASE_URL, make_api_key, set_up_django, sign_in
from connections.providers.official import SDK_VERSION

SAMPLE = Path("trainer/recipes/sample_sft.jsonl").absolute()
NAME = "official"
ROWS = 40
OVER = ("COMPLETED", "FAILED", "CANCELLED")
LONGEST_SECONDS = 2400
V1 = f"{BASE_URL}/v1/accounts/local"


@dataclass(frozen=True)
class Launched:
    """A recipe by its module, the shape that it trains, the dataset, and what else it is told."""

    module: str
    shape: str
    dataset: str
    more: dict[str, Any] = field(default_factory=dict)


LAUNCHED = (
    Launched("sft_loop", "tiny-qwen3-chat-2k-lora", "conversations", {"evaluation_split": 10, "seed": 1}),
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
    went_well = [_one(client, browser, each) for each in LAUNCHED]
    return all(went_well)


def _one(client: httpx.Client, browser: httpx.Client, each: Launched) -> bool:
    recipe = {"name": f"{NAME}/{each.module}", "epochs": 2, "batch_rows": 4, "save_every": 5, **each.more}
    body = {
        "dataset": f"accounts/local/datasets/{each.dataset}",
        "recipe": recipe,
        "trainingConfig": {"learningRate": 1e-3},
    }
    shape = f"accounts/local/trainingShapes/{each.shape}"
    asked = client.post(f"{V1}/rlorTrainerJobs", params={"trainingShape": shape}, json=body)
    if asked.status_code != httpx.codes.OK:
        return _say(False, each.module, asked.text[:500])
    began, name = time.monotonic(), asked.json()["name"]
    job = _wait(client, name)
    seconds = time.monotonic() - began
    state = job["state"].removeprefix("JOB_STATE_")
    page = _page(browser, name)
    records = browser.get(f"{page.url.path}/metrics").raise_for_status().json()["records"]
    losses = [record["loss"] for record in records]
    saved = client.get(f"{BASE_URL}/v1/{name}/checkpoints").json()["checkpoints"]
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
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        job: dict[str, Any] = client.get(f"{BASE_URL}/v1/{name}").raise_for_status().json()
        if job["state"].endswith(OVER):
            return job
        time.sleep(1)
    raise TimeoutError(f"{name} is not over after {LONGEST_SECONDS} s.")


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
