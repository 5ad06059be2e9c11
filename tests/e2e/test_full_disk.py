"""A disk that fills up under a running Slipway: pages are read on, nothing false is recorded, and it recovers."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.disks import fill, small_disk
from tests.e2e.test_run import BACK_SECONDS, PARTS, Slipway, wait_for
from tests.sdk.environments import ensure_environment

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("run")]
JOBS = "/v1/accounts/local/rlorTrainerJobs"
SHAPE = "accounts/local/trainingShapes/tiny-qwen3-2k-lora"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Slipway]:
    """A Slipway on a file system of 600 MB."""
    slipway = Slipway(tmp_path / "state")
    with small_disk(slipway.home, "600m", mode="711"):
        yield slipway
        if slipway.process and slipway.process.poll() is None:
            slipway.stop()


def has_said(slipway: Slipway, words: str, times: int) -> bool:
    return slipway.output.read_text().count(words) >= times


def is_back(slipway: Slipway, not_before: float) -> bool:
    return time.monotonic() > not_before and slipway.ready()


def test_a_full_disk_is_lived_through(small: Slipway) -> None:
    small.start(SLIPWAY_TRAINER_ENV=str(ensure_environment("trainer").parents[1]), SLIPWAY_LEAST_FREE_MB="60")
    made = small.once("manage", "create_api_key", *("--account", "local", "--user", "admin", "--scope", "launch"))
    key = made.stdout.split()[-1] if made.stdout.split() else ""
    with httpx.Client(base_url=small.url, headers={"X-Api-Key": key}, timeout=60) as api:
        job = f"{JOBS}/before"
        created = api.post(JOBS, params={"trainingShape": SHAPE, "rlorTrainerJobId": "before"}, json={})
        assert created.status_code == 200, (created.text, made.stdout, made.stderr)
        wait_for(lambda: api.get(job).json()["state"] == "JOB_STATE_RUNNING", 300, "the start of the trainer")
        trainer = json.loads((small.home / "local/jobs/local/before/attempts/1/trainer.json").read_text())["pid"]
        wait_for((small.home / "reserve").exists, BACK_SECONDS, "the reserve")

        filler = fill(small.home)
        wait_for(lambda: "nearly full" in api.get("/statusz").json()["checks"]["disk"], BACK_SECONDS, "the word")
        refused = api.post(JOBS, params={"trainingShape": SHAPE}, json={})
        assert (refused.status_code, "nearly full" in refused.text) == (429, True), refused.text
        os.kill(trainer, signal.SIGTERM)
        for part in PARTS:
            said = small.output.read_text().count(f"{part} stopped")
            os.kill(small.pid(part), signal.SIGKILL)
            remembered = time.monotonic() + 2  # what /statusz found before may be told for a moment
            wait_for(partial(has_said, small, f"{part} stopped", said + 1), BACK_SECONDS, f"the end of {part}")
            wait_for(partial(is_back, small, remembered), BACK_SECONDS, f"{part} back on a full disk")
            fill(small.home)
        assert api.get("/").status_code == httpx.codes.OK
        assert api.get(job).status_code == httpx.codes.OK
        assert small.process
        assert small.process.poll() is None

        filler.unlink()
        wait_for(lambda: api.get("/statusz").json()["checks"]["disk"] == "ok", BACK_SECONDS, "the space")
        small.wait_until_ready()
        wait_for(lambda: api.get(job).json()["state"] == "JOB_STATE_FAILED", BACK_SECONDS, "the end of the trainer")
        after = api.post(JOBS, params={"trainingShape": SHAPE, "rlorTrainerJobId": "after"}, json={})
        assert after.status_code == 200, after.text
        wait_for(lambda: api.get(f"{JOBS}/after").json()["state"] == "JOB_STATE_RUNNING", 300, "another trainer")
    assert "Traceback" not in small.output.read_text()
