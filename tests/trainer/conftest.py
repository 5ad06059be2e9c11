"""The tests of trainer and sampler: run by the Python of its environment (tests/e2e/test_trainer_suite.py does so)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import RunningTrainer, Starter


@pytest.fixture(scope="session")
def session_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trainers")


@pytest.fixture
def start(session_root: Path) -> Iterator[Starter]:
    """Starts trainers for one test; they share the model cache and the job directories of the session."""
    starter = Starter(session_root)
    yield starter
    for trainer in starter.started:
        trainer.stop()


def _shared(session_root: Path, job: str, **config: Any) -> Iterator[RunningTrainer]:
    starter = Starter(session_root)
    yield starter(job, **config)
    starter.started[0].stop()


@pytest.fixture(scope="session")
def policy(session_root: Path) -> Iterator[RunningTrainer]:
    yield from _shared(session_root, "policy", cold=True)


@pytest.fixture(scope="session")
def lora(session_root: Path) -> Iterator[RunningTrainer]:
    yield from _shared(session_root, "lora", trainer_mode="LORA_TRAINER")


@pytest.fixture(scope="session")
def frozen(session_root: Path) -> Iterator[RunningTrainer]:
    yield from _shared(session_root, "frozen", trainer_mode="FORWARD_ONLY")
