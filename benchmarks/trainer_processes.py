"""Processes that run in the trainer's environment, for measurements that talk to them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 300


def trainer_python() -> Path:
    """The interpreter of the trainer's environment, which is made where it is not there."""
    folder = Path(os.environ.get("SLIPWAY_TRAINER_ENV") or Path(os.environ.get("SLIPWAY_HOME", "var")) / "trainer-env")
    subprocess.run([sys.executable, str(ROOT / "trainer" / "prepare.py"), str(folder.absolute())], check=True)
    return folder.absolute() / "bin" / "python"


@contextmanager
def serving(python: Path, program: str, config: Mapping[str, Any], health: str) -> Iterator[httpx.Client]:
    """A trainer or a sampler with that configuration, once it answers there; it ends with the block."""
    token, directory = uuid.uuid4().hex, Path(config["directory"])
    directory.mkdir(parents=True)
    path = directory.with_suffix(".json")
    path.write_text(json.dumps(config))
    process = subprocess.Popen(
        [str(python), "-m", program, str(path)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), "SLIPWAY_TRAINER_TOKEN": token}, stdout=sys.stderr,
    )  # fmt: skip
    try:
        yield _client(process, directory / "endpoint.json", token, health)
    finally:
        process.terminate()
        process.wait()


def _client(process: subprocess.Popen[bytes], endpoint: Path, token: str, health: str) -> httpx.Client:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if endpoint.exists():
            told = json.loads(endpoint.read_text())
            client = httpx.Client(
                base_url=f"http://{told['host']}:{told['port']}", headers={"X-Api-Key": token}, timeout=READY_SECONDS
            )
            if client.get(health).status_code == httpx.codes.OK:
                return client
        time.sleep(0.1)
    raise RuntimeError("it did not start")


@contextmanager
def bare(python: Path, module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A program of benchmarks/ that answers a line for each line that it reads."""
    process = subprocess.Popen(
        [str(python), "-m", module, *arguments],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait()


def ask(process: subprocess.Popen[str], line: str = "") -> Any:
    """What it answers to the line, read as JSON."""
    assert process.stdin and process.stdout
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())
