"""A full disk costs a recipe time, and neither what it trained nor the truth about how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from processes import Starter, wait_until

from tests.disks import fill, small_disk


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB."""
    with small_disk(tmp_path / "small", "64m") as folder:
        yield folder


def rests(pid: int) -> bool:
    """Whether it computes next to nothing for two seconds, as where it waits."""
    before = sum(psutil.Process(pid).cpu_times()[:2])
    time.sleep(2)
    return sum(psutil.Process(pid).cpu_times()[:2]) - before < 0.1


def test_a_recipe_waits_for_space_and_ends_as_it_would_have(small: Path) -> None:
    start = Starter(small)
    trainer = start("full", recipe="sample-sft", recipe_steps=40, max_context_length=256)
    try:
        filler = fill(small)
        # The log says nothing, as it cannot be written either: all steps but the save are done, and nothing ended.
        wait_until(lambda: trainer.process.poll() is not None or rests(trainer.process.pid))
        assert trainer.process.poll() is None
        filler.unlink()
        assert trainer.process.wait(timeout=60) == 0
        assert [record["step"] for record in trainer.metrics()] == list(range(1, 41))
        assert (trainer.checkpoints / "step-40" / "checkpoint.json").exists()
    finally:
        trainer.stop()


def test_what_ended_well_has_ended_well_though_nothing_can_be_written(small: Path) -> None:
    start = Starter(small)
    trainer = start("frozen", trainer_mode="FORWARD_ONLY", recipe="sample-sft", recipe_steps=300)
    try:
        fill(small)
        assert trainer.process.wait(timeout=100) == 0
        assert not (trainer.directory / "exit-reason.json").exists()
    finally:
        trainer.stop()
