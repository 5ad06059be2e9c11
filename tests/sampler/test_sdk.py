"""The official SDK's own clients against a sampler process, as it is: hot loads, rollouts, a teacher's scores."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.sdk.environments import ROOT, ensure_environment
from trainer.checkpoints import CheckpointInfo

DEPLOYMENT, BASE_MODEL = "accounts/team-a/deployments/rollouts", "accounts/local/models/tiny-qwen3"
TOKEN = "a-token-of-the-tests"
SECONDS = 240
SNAPSHOTS = ("step-1-abc", "step-2-abc")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    config = {
        "directory": str(tmp_path / "run"), "deployment": DEPLOYMENT, "base_model": BASE_MODEL,
        "jobs_root": str(tmp_path / "jobs"), "model_cache": str(tmp_path / "models"), "trainer_job": "job-1",
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    environment = {**os.environ, "SLIPWAY_TRAINER_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)}
    command = [str(ensure_environment("trainer")), "-m", "sampler", str(tmp_path / "config.json")]
    process = subprocess.Popen(command, env=environment, cwd=ROOT)
    try:
        yield wait_for(process, tmp_path / "run" / "endpoint.json")
    finally:
        process.kill()
        process.wait()


def wait_for(process: subprocess.Popen[bytes], endpoint: Path) -> str:
    deadline = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if endpoint.exists():
            told = json.loads(endpoint.read_text())
            url = f"http://{told['host']}:{told['port']}"
            if httpx.get(f"{url}/health", headers={"X-Api-Key": TOKEN}).status_code == 200:
                return url
        time.sleep(0.1)
    raise AssertionError("the sampler did not start")


def put_snapshot(job: Path, model: Path, name: str) -> None:
    """What a trainer saves for a sampler in its job's folder: here the base model itself, with the manifest of it."""
    directory = job / "sampler" / name
    shutil.copytree(model, directory, copy_function=shutil.copyfile)  # modes as for any file
    files: dict[str, dict[str, int | str]] = {
        path.name: {"size_bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in directory.iterdir()
    }
    info = CheckpointInfo(
        name=name, step=1, size_bytes=1, created_at="2026-01-01T00:00:00.000Z", trainer_mode="POLICY_TRAINER",
        lora_rank=0, base_model=BASE_MODEL, kind="SAMPLER", requested_name=name, files=files,
    )  # fmt: skip
    (directory / "checkpoint.json").write_text(json.dumps(asdict(info)))


def drive(address: str, secret: str) -> None:
    """The SDK loads both snapshots, samples and scores."""
    driver = [str(ensure_environment("sdk")), str(ROOT / "tests" / "sdk" / "drive_sampler.py")]
    done = subprocess.run(
        [*driver, address, DEPLOYMENT, BASE_MODEL, *SNAPSHOTS],
        env={**os.environ, "SLIPWAY_TRAINER_TOKEN": secret}, capture_output=True, text=True, check=False,
        timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert (told["warm"], told["loaded"], told["delta"]) == (True, True, True)
    assert (told["refused"], told["serving"], told["prompt_tokens"]) == (404, "step-2-abc", 3)
    for tokens, logprobs, sampled in told["group"]:
        assert len(tokens) <= 9 and tokens[:3] == [5, 6, 7] and len(logprobs) == len(sampled) == len(tokens) - 1
        assert sampled[:2] == [None, None] and sampled[2:] == pytest.approx(logprobs[2:])
    assert len({tuple(tokens) for tokens, *_ in told["group"]}) > 1
    first, *others = told["teacher"]
    assert first == [0.0, 1] and [number for _, number in others] == [5, 5, 5]
    assert told["prompt_logprobs"] == [None, *(pytest.approx(value) for value, _ in others[:2])]
    assert [len(tokens) for tokens, *_ in told["sequences"]] == [4, 4]


@pytest.mark.e2e
def test_the_sdk_loads_samples_and_scores(address: str, tmp_path: Path) -> None:
    for name in SNAPSHOTS:
        put_snapshot(tmp_path / "jobs" / "job-1", tmp_path / "models" / "tiny-qwen3-v1", name)
    drive(address, TOKEN)
