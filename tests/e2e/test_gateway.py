"""The official SDK drives a trainer through Slipway's gateway: nothing but an API key and Slipway's address."""

from __future__ import annotations

import json
import os
import subprocess
import time

import httpx
import pytest

from tests.e2e.conftest import ROOT, SlipwayServer
from tests.sdk.environments import ensure_environment

DRIVER = ROOT / "tests" / "sdk" / "drive_trainer.py"
JOB = "gateway-test"
READY_SECONDS = 600
"""The first launch makes the trainer's environment, which takes a minute or two."""
STEPS = 10
STARTING: set[int] = {httpx.codes.SERVICE_UNAVAILABLE}
ENDING: set[int] = {httpx.codes.OK, httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE}
"""It may be gone before Slipway has noticed."""


@pytest.fixture(scope="module")
def key(slipway_server: SlipwayServer) -> str:
    return slipway_server.manage(
        *("create_api_key", "--account", "local", "--user", slipway_server.username),
        *("--scope", "launch", "--name", "gateway"),
    )


def wait_for(url: str, key: str, wanted: int, meanwhile: set[int]) -> httpx.Response:
    """The trainer's answer once it has that status; only those of `meanwhile` may come before."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        answer = httpx.get(f"{url}/api/v1/healthz", headers={"Authorization": f"Bearer {key}"}, timeout=60)
        if answer.status_code == wanted:
            return answer
        assert answer.status_code in meanwhile, answer.text
        time.sleep(0.3)
    pytest.fail(f"{url} did not answer {wanted} in {READY_SECONDS} s")


def test_train_and_save_through_the_gateway(slipway_server: SlipwayServer, key: str) -> None:
    jobs = f"{slipway_server.url}/v1/accounts/local/rlorTrainerJobs"
    shape = "accounts/local/trainingShapes/tiny-qwen3-2k-lora"
    control_plane = httpx.Client(headers={"X-Api-Key": key}, timeout=60)
    made = control_plane.post(jobs, params={"rlorTrainerJobId": JOB, "trainingShape": shape}, json={})
    assert made.status_code == httpx.codes.OK, made.text
    trainer = f"{slipway_server.url}/training/v1/rlorTrainerJobs/local/{JOB}"
    wait_for(trainer, key, httpx.codes.OK, STARTING)

    done = subprocess.run(
        [
            *(str(ensure_environment("sdk")), str(DRIVER), "train", "--base-url", trainer),
            *("--mode", "lora", "--steps", str(STEPS), "--save", "ten"),
        ],
        env=os.environ | {"SLIPWAY_TRAINER_TOKEN": key},
        capture_output=True,
        text=True,
        timeout=READY_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    events = _by_name(done.stdout)
    losses = [event["loss_per_token"] for event in (*events["step"], *events["evaluated"])]
    assert len(losses) == STEPS + 1
    assert losses[-1] < losses[0], "the loss falls"
    assert len(events["saved"]) == 2, "the driver saves twice, and both are kept"

    control_plane.post(f"{jobs}/{JOB}:cancel").raise_for_status()
    answer = wait_for(trainer, key, httpx.codes.NOT_FOUND, ENDING)
    assert answer.json()["code"] == 5, "it is over, and the client must not wait for it"


def _by_name(output: str) -> dict[str, list[dict[str, float]]]:
    """The driver's events by their names."""
    events: dict[str, list[dict[str, float]]] = {}
    for line in output.splitlines():
        if line.startswith("{"):
            event = json.loads(line)
            events.setdefault(event["event"], []).append(event)
    return events
