"""The script that a finished launch links, run as it is pasted: the same losses as the trainer's own recipe."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.browser import Browser
from tests.e2e.conftest import SlipwayServer
from tests.e2e.test_fine_tuning import make_key, run_script
from tests.waiting import wait_for

PATIENCE_SECONDS = 300
"""The first launch makes the trainer's environment."""
PAIRS = [
    {"prompt": f"Where is the {part}?\n", "chosen": f"The {part} is on the slipway.", "rejected": f"No {part} here."}
    for part in ("keel", "mast", "hull", "deck", "sail", "rope", "oar", "bow", "stern", "helm")
]


@pytest.fixture(scope="module")
def client(slipway_server: SlipwayServer) -> httpx.Client:
    """A program with a key, of a Slipway that has the pairs."""
    client = httpx.Client(
        base_url=f"{slipway_server.url}/v1/accounts/local/",
        headers={"X-Api-Key": make_key(slipway_server)},
        timeout=60,
    )
    assert client.post("datasets", json={"datasetId": "pairs", "dataset": {}}).status_code == httpx.codes.OK
    content = "".join(f"{json.dumps(pair)}\n" for pair in PAIRS).encode()
    assert client.put("datasets/pairs:upload", content=content).status_code == httpx.codes.OK
    wait_for(lambda: client.get("datasets/pairs").json()["state"] == "READY")
    return client


@pytest.mark.parametrize(("recipe", "shape"), [("dpo", "tiny-qwen3-2k-lora"), ("orpo", "tiny-qwen3-2k")])
def test_the_script_has_the_losses_of_the_recipe(
    slipway_server: SlipwayServer, client: httpx.Client, tmp_path: Path, recipe: str, shape: str
) -> None:
    told: dict[str, Any] = {"name": recipe, "epochs": 3, "batch_rows": 4, "evaluation_split": 20, "seed": 7}
    body = {
        "dataset": "accounts/local/datasets/pairs",
        "recipe": told | {"evaluation_every": 2},
        "trainingConfig": {"learningRate": 3e-3},
        "displayName": f"pairs {recipe}",
    }
    made = client.post("rlorTrainerJobs", params={"trainingShape": f"accounts/local/trainingShapes/{shape}"}, json=body)
    assert made.status_code == httpx.codes.OK, made.text
    name = made.json()["name"].rpartition("/")[2]
    job = f"rlorTrainerJobs/{name}"

    def completed() -> bool:
        state = client.get(job).json()["state"]
        assert state != "JOB_STATE_FAILED", client.get(job).json()
        return bool(state == "JOB_STATE_COMPLETED")

    wait_for(completed, seconds=PATIENCE_SECONDS)
    visitor = Browser(slipway_server)
    found = re.search(rf'href="(/launches/[0-9a-f-]{{36}})"[^>]*>\s*pairs {recipe}', visitor.read("/launches"))
    assert found
    page = found[1]
    answer = visitor.client.get(f"{page}/metrics").json()
    script = tmp_path / "script.py"
    script.write_text(visitor.read(f"{page}/script.py"))
    printed = run_script(slipway_server, script)
    losses, measured = [record["loss"] for record in answer["records"]], list(answer["evaluations"].values())
    assert [value for kind, value in printed if kind == "step"] == pytest.approx(losses, abs=1e-5)
    assert [value for kind, value in printed if kind == "evaluation"] == pytest.approx(measured, abs=1e-5)
    assert len(losses) == 6 and measured[-1] < measured[0]
