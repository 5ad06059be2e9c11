"""Real processes of trainers and samplers, talked to over HTTP."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from bodies import BASE_MODEL
from starting import Process, run_module

TOKEN = "a-token-of-the-tests"
DEPLOYMENT = "accounts/team-a/deployments/rollouts"


@dataclass
class RunningTrainer:
    """One trainer process, its directories, and a client that carries the token."""

    process: Process
    directory: Path
    checkpoints: Path
    log: Path
    http: httpx.Client

    @property
    def sampler(self) -> Path:
        """Where what is saved for sampling lies."""
        return self.checkpoints.parent / "sampler"

    def submit(self, operation: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        content = json.dumps(body)  # escaped, so that a lone surrogate can be sent as well
        return self.http.post(f"/api/v1/{operation}", content=content, headers=headers)

    def answer(self, operation: str, body: dict[str, Any]) -> httpx.Response:
        """Submit an operation and wait for its answer, whatever its status."""
        submitted = self.submit(operation, body)
        return self.fetch(submitted) if submitted.status_code == 200 else submitted

    def fetch(self, submitted: httpx.Response) -> httpx.Response:
        """Wait for the answer of what was submitted, whatever its status."""
        while True:
            response = self.http.post("/api/v1/retrieve_future", json={"request_id": submitted.json()["request_id"]})
            if response.status_code != 408:
                return response

    def call(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        """Submit an operation that must succeed."""
        response = self.answer(operation, body)
        assert response.status_code == 200 and "error" not in response.json(), response.text
        return response.json()

    def create(self, rank: int = 0, **more: Any) -> str:
        session = self.http.post("/api/v1/create_session", json={"tags": []}).json()["session_id"]
        lora = {"rank": rank, "seed": 1}
        body = {"session_id": session, "base_model": BASE_MODEL, "lora_config": lora, **more}
        return self.call("create_model", body)["model_id"]

    def metrics(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.directory / "metrics.jsonl").read_text().splitlines()]

    def exit_reason(self) -> dict[str, Any]:
        return json.loads((self.directory / "exit-reason.json").read_text())

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.http.close()


@dataclass
class RunningSampler:
    """One sampler process that serves what the trainers under the same root save."""

    process: Process
    directory: Path
    jobs: Path
    log: Path
    http: httpx.Client

    def complete(self, prompt: Any, **more: Any) -> dict[str, Any]:
        """The answer to a completion that must succeed, of greedy tokens where nothing else is said."""
        body = {"prompt": prompt, "temperature": 0, "logprobs": True, "return_token_ids": True, **more}
        response = self.http.post("/inference/v1/completions", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def load(self, identity: str, job: str = "policy", **more: Any) -> httpx.Response:
        headers = {"X-Slipway-Trainer-Job": job}
        return self.http.post("/hot_load/v1/models/hot_load", json={"identity": identity, **more}, headers=headers)

    @property
    def replica(self) -> dict[str, Any]:
        return self.http.get("/hot_load/v1/models/hot_load").json()["replicas"][0]

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.directory / "metrics.jsonl").read_text().splitlines()]

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.http.close()


def start_sampler(root: Path, name: str, *, wait: str = "ready", seconds: float = 60, **config: Any) -> RunningSampler:
    """`wait` for "ready", so many seconds, or "exit"; config overrides CONFIG.json."""
    directory = root / "samplers" / name
    directory.mkdir(parents=True)
    path, log = directory / "config.json", directory / "log"
    told = {
        "directory": str(directory),
        "deployment": DEPLOYMENT,
        "base_model": BASE_MODEL,
        "jobs_root": str(root / "jobs"),
        "models_root": str(root / "weights" / "team-a"),
        "model_cache": str(root / "models"),
        "trainer_job": "policy",
        "max_context_length": 256,
        **config,
    }
    path.write_text(json.dumps(told))
    with log.open("wb") as output:
        process = run_module("sampler", [str(path)], output.fileno(), {"SLIPWAY_TRAINER_TOKEN": TOKEN})
    sampler = RunningSampler(process, directory, root / "jobs", log, httpx.Client())
    if wait == "exit":
        process.wait(timeout=120)
        return sampler
    endpoint = directory / "endpoint.json"
    wait_until(lambda: endpoint.exists() or process.poll() is not None)
    assert endpoint.exists(), log.read_text()
    address = json.loads(endpoint.read_text())
    base = f"http://{address['host']}:{address['port']}"
    sampler.http = httpx.Client(base_url=base, headers={"X-Api-Key": TOKEN}, timeout=max(60, seconds))
    wait_until(lambda: process.poll() is not None or sampler.http.get("/health").status_code == 200, seconds)
    assert process.poll() is None, log.read_text()
    return sampler


class Starter:
    """Starts trainers under one root; what was started is stopped at the end."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.started: list[RunningTrainer] = []

    def __call__(
        self,
        job: str = "job-1",
        *,
        attempt: int = 1,
        wait: str = "ready",
        seconds: float = 60,
        cold: bool = False,
        **config: Any,
    ) -> RunningTrainer:
        """`wait` for "ready" (healthz 200), so many seconds, "listening" (endpoint.json), or "exit".

        `cold` as `run_module` has it; `config` overrides CONFIG.json.
        """
        directory = self.root / "jobs" / job / f"attempt-{attempt}"
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / "config.json"
        path.write_text(json.dumps(make_config(self.root, job, directory, **config)))
        log = directory / "log"
        with log.open("wb") as output:
            process = run_module("trainer", [str(path)], output.fileno(), {"SLIPWAY_TRAINER_TOKEN": TOKEN}, cold=cold)
        trainer = RunningTrainer(
            process, directory, self.root / "jobs" / job / "checkpoints", log, httpx.Client(timeout=60)
        )
        self.started.append(trainer)
        self._wait(trainer, wait, seconds)
        return trainer

    def _wait(self, trainer: RunningTrainer, state: str, seconds: float) -> None:
        if state == "exit":
            trainer.process.wait(timeout=120)
            return
        endpoint = trainer.directory / "endpoint.json"
        wait_until(lambda: endpoint.exists() or trainer.process.poll() is not None)
        assert endpoint.exists(), trainer.log.read_text()
        address = json.loads(endpoint.read_text())
        base = f"http://{address['host']}:{address['port']}"
        trainer.http = httpx.Client(base_url=base, headers={"X-Api-Key": TOKEN}, timeout=60)
        if state == "ready":
            wait_until(lambda: trainer.http.get("/api/v1/healthz").status_code == 200, seconds)


def make_config(root: Path, job: str, directory: Path, **changes: Any) -> dict[str, Any]:
    """A whole CONFIG.json for a policy trainer without a recipe."""
    return {
        "directory": str(directory),
        "checkpoints": str(root / "jobs" / job / "checkpoints"),
        "jobs_root": str(root / "jobs"),
        "job": job,
        "base_model": BASE_MODEL,
        "model_directory": None,
        "models_root": str(root / "weights" / "team-a"),
        "model_cache": str(root / "models"),
        "trainer_mode": "POLICY_TRAINER",
        "lora_rank": 8,
        "learning_rate": None,
        "max_context_length": 64,
        "recipe": "none",
        "recipe_steps": 60,
        "inactivity_timeout_s": 3600,
        "host": "127.0.0.1",
        "port": 0,
        "resume_from": None,
        **changes,
    }


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
