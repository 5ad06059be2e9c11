"""From a JSONL file to a model: a dataset, a recipe and its fields in the form, a real trainer, its page."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import SlipwayServer
from tests.e2e.recipes import make_key
from tests.e2e.test_launch_live import ENVIRONMENT_MS, FORM, LAUNCH, expect_state, findings
from tests.sdk.environments import ensure_environment
from tests.waiting import wait_for

PARTS = ["keel", "mast", "hull", "deck", "sail", "rope", "oar", "bow", "stern", "helm"]
ROWS = [
    {"prompt": f"Where is the {part} of {ship}?\n", "completion": f"The {part} of {ship} is on the slipway."}
    for part in PARTS
    for ship in ("the Ada", "the Bea", "the Cleo", "the Dora")
]


def upload(server: SlipwayServer, name: str) -> None:
    """The rows as a dataset of the account, checked."""
    key = make_key(server)
    base = f"{server.url}/v1/accounts/local/datasets"
    with httpx.Client(headers={"X-Api-Key": key}, timeout=60) as client:
        assert client.post(base, json={"datasetId": name, "dataset": {}}).status_code == 200
        content = "".join(f"{json.dumps(row)}\n" for row in ROWS).encode()
        sent = client.put(f"{base}/{name}:upload", content=content)
        assert sent.status_code == 200, sent.text
        wait_for(lambda: client.get(f"{base}/{name}").json()["state"] == "READY")


def run_script(server: SlipwayServer, script: Path) -> list[tuple[str, float]]:
    """What the script printed of its losses, run as anybody would with the SDK and transformers at hand."""
    python = ensure_environment("sdk")
    (trainer,) = ensure_environment("trainer").parents[1].glob("lib/python3*/site-packages")
    # The packages of the SDK's environment come first; of the trainer's it lacks transformers and torch.
    ran = "import runpy, sys; sys.path.append(sys.argv[1]); runpy.run_path(sys.argv[2], run_name='__main__')"
    environment = {"FIREWORKS_BASE_URL": server.url, "FIREWORKS_API_KEY": make_key(server)}
    done = subprocess.run(
        [str(python), "-c", ran, str(trainer), str(script)],
        env=os.environ | environment,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    _free_slots(server, environment["FIREWORKS_API_KEY"])
    lines = [line.split() for line in done.stdout.splitlines()]
    return [(words[0], float(words[2])) for words in lines if words[0] in ("step", "evaluation")]


def _free_slots(server: SlipwayServer, key: str) -> None:
    """The script's trainer stays, with what it saved, until it was idle for long: other tests need its slot."""
    with httpx.Client(base_url=f"{server.url}/v1/", headers={"X-Api-Key": key}, timeout=60) as api:
        jobs = api.get("accounts/local/rlorTrainerJobs", params={"pageSize": 100}).json()["rlorTrainerJobs"]
        for name in (job["name"] for job in jobs if "/training-api-service-" in job["name"]):
            if api.get(name).json()["state"] == "JOB_STATE_RUNNING":
                api.post(f"{name}:cancel", json={}).raise_for_status()
                wait_for(lambda name=name: api.get(name).json()["state"] == "JOB_STATE_CANCELLED")  # type: ignore[misc]


def test_a_file_becomes_a_model_and_can_be_extended(
    admin_page: Page, slipway_server: SlipwayServer, tmp_path: Path
) -> None:
    page = admin_page
    upload(slipway_server, "slipway-rows")
    page.goto("/datasets")
    page.get_by_role("link", name="slipway-rows", exact=True).click()
    page.get_by_label("Base model").select_option("accounts/local/models/tiny-qwen3")
    page.get_by_role("button", name="Count").click()
    expect(page.locator("#tokens")).to_contain_text("1,308 tokens", timeout=ENVIRONMENT_MS)
    page.goto(FORM)
    page.get_by_label("Display name").fill("fine-tuned")
    page.get_by_label("Learning rate").fill("3e-3")
    page.get_by_label("Recipe", exact=True).select_option("sft")
    page.get_by_label("Dataset", exact=True).select_option(label="slipway-rows (completion, 40 rows)")
    page.get_by_label("Epochs").fill("0")
    expect(page.locator("#field-id_recipe-epochs")).to_contain_text("0 is below the limit of 1. Use 1 to 100.")
    page.get_by_label("Epochs").fill("4")
    page.locator("#id_recipe-batch_rows").fill("8")
    page.get_by_label("Evaluation split").fill("20")
    page.get_by_label("Evaluate every").fill("4")
    page.get_by_label("Save every").fill("8")
    outlook = page.locator("#outlook")
    expect(outlook).to_contain_text("16 steps, 4 an epoch; 8 rows held out to measure; 2 checkpoints, of a size")
    expect(outlook).to_contain_text("tokens an epoch; the longest row has 36. No row is longer")
    assert findings(page) == []

    page.get_by_role("button", name="Launch trainer").click()
    page.wait_for_url(LAUNCH)
    expect_state(page, "COMPLETED", within_ms=ENVIRONMENT_MS)
    answer = page.request.get(f"{page.url}/metrics").json()
    losses, measured = [record["loss"] for record in answer["records"]], answer["evaluations"]
    assert len(losses) == 16 and losses[-1] < losses[0] - 0.5
    assert list(measured) == ["0", "4", "8", "12", "16"] and measured["16"] < measured["0"] - 0.5
    expect(page.locator("#step")).to_have_text("16 of 16")
    expect(page.locator("#charts canvas")).to_have_count(3)
    curve = page.locator("#charts figure", has=page.locator("[data-series='loss evaluation']"))
    curve.locator(".u-over").hover(position={"x": 1, "y": 20})
    expect(curve.locator("output")).to_have_text(re.compile(r"^step 0: \S · \d"))
    evaluation = page.get_by_role("region", name="Evaluation", exact=True)
    expect(evaluation.locator("[data-sample]")).to_have_count(3)
    expect(evaluation).to_contain_text("Before training")
    expect(evaluation.get_by_role("link", name="Keep the best as a model…")).to_be_visible()
    expect(page.get_by_role("button", name="Resume")).to_have_count(0)
    assert findings(page) == []

    script = tmp_path / "script.py"
    script.write_bytes(page.request.get(f"{page.url}/script.py").body())
    printed = run_script(slipway_server, script)
    for kind, wanted in (("step", losses), ("evaluation", list(measured.values()))):
        found = [value for name, value in printed if name == kind]
        assert found == pytest.approx(wanted, abs=1e-5)

    page.get_by_label("Steps more").fill("2")
    page.get_by_role("button", name="Extend").click()
    expect(page.locator("#step")).to_have_text("18 of 18")
    expect_state(page, "COMPLETED", within_ms=ENVIRONMENT_MS)
