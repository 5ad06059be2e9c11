"""A provider under test, with the means to tell its trainers what to do."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Protocol, TypeVar

from connections.providers.attempts import Observation, Reference, Submission
from connections.providers.base import Provider
from connections.providers.spec import TrainerMode, TrainerSpec
from connections.providers.states import FINAL, AttemptState

TOKEN = "trainer-token-of-a-test"
_jobs = count(1)
T = TypeVar("T")


class Rig(Protocol):
    """What the contract needs: the provider, and a trainer that ends when it is told."""

    provider: Provider

    def tell(self, job: str, **behaviour: Any) -> None:
        """What the job's trainers shall do, see stand_in/trainer."""

    def finish(self, job: str, code: int = 0) -> None:
        """Let the job's trainer end with the exit code."""

    def go_on(self, job: str) -> None:
        """Let trainers of the job that are started from now on run until they are told to end."""

    def pids(self, job: str) -> list[int]:
        """The pids of the trainers that ever started for the job."""

    def stranger(self, submission: Submission) -> Submission:
        """A submission of another launch under the same id, as far as the kind can tell it from a repeated one."""


class StoodIn:
    """Tells stand-in trainers what to do, through their folder; `named` is what they know a job as."""

    behaviour: Path

    def named(self, job: str) -> str:
        """As it is called here."""
        return job

    def tell(self, job: str, *, loading: bool | None = None, **behaviour: Any) -> None:
        """What the job's trainers shall do, see stand_in/trainer."""
        mark = self.behaviour / f"{self.named(job)}.loading"
        if loading is not None:
            mark.touch() if loading else mark.unlink()
        _write(self.behaviour / f"{self.named(job)}.json", json.dumps(behaviour))

    def finish(self, job: str, code: int = 0) -> None:
        """Let the job's trainer end with the exit code."""
        _write(self.behaviour / f"{self.named(job)}.exit", str(code))

    def go_on(self, job: str) -> None:
        """Let trainers of the job that are started from now on run until they are told to end."""
        (self.behaviour / f"{self.named(job)}.exit").unlink()

    def pids(self, job: str, kind: str = "starts") -> list[int]:
        """The pids of the trainers that ever started for the job, or of their children (`child`)."""
        path = self.behaviour / f"{self.named(job)}.{kind}"
        return [int(line) for line in path.read_text().split()] if path.exists() else []


def make_spec(**changes: Any) -> TrainerSpec:
    """The spec of a LoRA launch of the demo model."""
    spec = TrainerSpec(
        training_shape_version="accounts/local/trainingShapes/tiny-qwen3-2k-lora/versions/abcd1234",
        trainer_mode=TrainerMode.LORA_TRAINER,
        base_model="accounts/local/models/tiny-qwen3",
        lora_rank=8,
        learning_rate=1e-3,
        display_name="",
        trainer_replica_count=1,
        deployment_replica_count=0,
        region="",
        inactivity_timeout_seconds=3600,
        recipe="none",
        accelerator_type=None,
        accelerator_count=0,
        node_count=1,
        max_context_length=2048,
        trainer_image_tag=None,
        base_model_weight_precision=None,
        trainer_sharding_scheme=None,
        deployment_shape_version=None,
        deployment_image_tag=None,
    )
    return replace(spec, **changes)


def make_reference(job: str | None = None, attempt: int = 1, account: str = "team-a") -> Reference:
    """A reference, of a new job where none is named."""
    return Reference(account, job or f"job-{os.getpid()}-{next(_jobs)}", attempt)


def make_submission(reference: Reference, **spec: Any) -> Submission:
    """A submission of that reference."""
    return Submission(reference, make_spec(**spec), TOKEN)


def until(look: Callable[[], T], seconds: float = 120, *, pause: float = 0.02) -> T:
    """The first true value that the look gives; an error after the deadline."""
    deadline = time.monotonic() + seconds
    while not (value := look()):
        assert time.monotonic() < deadline, f"still {value!r} after {seconds} s"
        time.sleep(pause)
    return value


def wait_for(provider: Provider, reference: Reference, states: Iterable[AttemptState]) -> Observation:
    """The first observation in one of the states; an error if the attempt ends otherwise."""
    wanted = frozenset(states)

    def look() -> Observation | None:
        seen = provider.observe(reference)
        assert seen.state in wanted or seen.state not in FINAL, seen
        return seen if seen.state in wanted else None

    found = until(look, pause=_pause(provider))
    assert found
    return found


def wait_ready(provider: Provider, reference: Reference) -> Observation:
    """The first observation that says ready."""
    until(lambda: wait_for(provider, reference, {AttemptState.RUNNING}).ready, pause=_pause(provider))
    return provider.observe(reference)


def _pause(provider: Provider) -> float:
    """Between two looks: what is far away is asked less often."""
    return provider.capabilities.poll_seconds / 50


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}")
    part.write_text(text)
    part.replace(path)
