"""Checkpoints that are written while training goes on: what they hold, and when and how that is answered."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bodies import BASE_MODEL, forward_body, make_datum, step_body
from processes import make_config

from trainer.checkpoints import Checkpoints
from trainer.config import parse_config
from trainer.errors import NoSpaceError
from trainer.loading import load_parts
from trainer.operations import snapshot, weights
from trainer.operations.snapshot import Snapshot
from trainer.operations.table import run_operation
from trainer.service import Service
from trainer.sessions import Sessions
from trainer.work import Answer, Work

PATIENCE = 60


class Held:
    """A trainer whose checkpoints are not written further than a gate, which `open` opens."""

    def __init__(self, root: Path, cache: Path) -> None:
        config = parse_config(make_config(root, "held", root, model_cache=str(cache)))
        checkpoints = Checkpoints(config.checkpoints, config.jobs_root, config.job)
        self.service = Service(config, checkpoints)
        self.work = Work()
        self.open, self.reached = threading.Event(), threading.Event()
        self.failure: OSError | None = None
        self.service.open(load_parts(config, checkpoints, Sessions())[0], run_operation)

    def submit(self, operation: str, body: dict[str, Any]) -> Any:
        """The future of the answer."""
        return self.work.ticket(self.work.submit(operation, self.service.prepare(operation, body))).future

    def call(self, operation: str, body: dict[str, Any]) -> Answer:
        answer: Answer = self.submit(operation, body).result(PATIENCE)
        return answer

    def step(self, model: str) -> float:
        """Takes one; the loss before it."""
        loss = self.call("forward_backward", forward_body(model, [make_datum([1, 2, 3, 4])]))["metrics"]["loss:sum"]
        self.call("optim_step", step_body(model))
        return float(loss)


@pytest.fixture
def held(tmp_path: Path, session_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    trainer = Held(tmp_path, session_root / "models")
    write = Snapshot.write

    def wait_and_write(self: Snapshot, *given: Any) -> str:
        trainer.reached.set()
        assert trainer.open.wait(PATIENCE)
        if trainer.failure is not None:
            raise trainer.failure
        return write(self, *given)

    monkeypatch.setattr(snapshot.Snapshot, "write", wait_and_write)
    yield trainer
    trainer.open.set()


def created(trainer: Held) -> str:
    body = {"session_id": "s", "base_model": BASE_MODEL, "lora_config": {"rank": 0, "seed": 1}}
    return str(trainer.call("create_model", body)["model_id"])


def test_training_goes_on_while_a_checkpoint_is_written_as_it_was(held: Held) -> None:
    model = created(held)
    held.step(model)
    first = held.submit("save_weights", {"model_id": model, "path": "first"})
    losses = [held.step(model) for _ in range(3)]
    assert held.reached.wait(PATIENCE) and not first.done() and held.service.checkpoint_names() == []
    second = held.submit("save_weights", {"model_id": model, "path": "second"})
    loaded = held.submit("load_weights", {"model_id": model, "path": "first", "optimizer": True})
    assert not second.done() and not loaded.done(), "there is one at a time, and what is loaded is whole"
    held.open.set()
    assert [future.result(PATIENCE)["path"] for future in (first, second, loaded)] == ["first", "second", "first"]
    assert [held.step(model) for _ in range(3)] == pytest.approx(losses, rel=1e-6), "the same again"


def test_what_cannot_be_written_is_told_and_training_went_on(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    copies, copied = [], Snapshot.copied
    monkeypatch.setattr(Snapshot, "copied", lambda self: copies.append(copied(self)) or copies[-1])
    model = created(held)
    held.failure = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    saved = held.submit("save_weights", {"model_id": model, "path": "none"})
    held.step(model)
    held.open.set()
    with pytest.raises(NoSpaceError, match="No space left on device"):
        saved.result(PATIENCE)
    assert {each.untyped_storage().nbytes() for each in copies[0].weights.values()} == {0}, "memory is given back"
    held.failure = None
    assert held.call("save_weights", {"model_id": model, "path": "none"})["path"] == "none"


def test_where_a_copy_has_no_room_training_waits(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    model = created(held)
    monkeypatch.setattr(weights, "available_bytes", lambda _device: 0)
    monkeypatch.setattr(Snapshot, "copied", lambda _self: pytest.fail("it is copied"))
    saved = held.submit("save_weights", {"model_id": model, "path": "slow"})
    step = held.submit("forward", forward_body(model, [make_datum([1, 2])]))
    assert held.reached.wait(PATIENCE) and not step.done()
    held.open.set()
    assert saved.result(PATIENCE)["path"] == "slow" and step.result(PATIENCE)


def test_a_copy_that_a_limit_refuses_is_done_without(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Snapshot) -> Snapshot:
        raise MemoryError

    model = created(held)
    monkeypatch.setattr(Snapshot, "copied", refuse)
    held.open.set()
    assert held.call("save_weights", {"model_id": model, "path": "slow"})["path"] == "slow"
