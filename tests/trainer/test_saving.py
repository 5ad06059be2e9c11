"""Checkpoints that are written while training goes on: what they hold, and when and how that is answered."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from bodies import BASE_MODEL, forward_body, make_datum, step_body
from processes import make_config
from safetensors.torch import load_file

from trainer.checkpoints import Checkpoints
from trainer.config import parse_config
from trainer.errors import NoSpaceError, OperationError
from trainer.loading import load_parts
from trainer.memory import MemoryPlan, Plan
from trainer.operations import memory_use, weights
from trainer.operations.memory_use import note_memory
from trainer.operations.snapshot import SamplerSnapshot, Snapshot
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
        self.failure: Exception | None = None
        self.parts = load_parts(config, checkpoints, Sessions())[0]
        self.service.open(self.parts, run_operation)

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

    def hold(kind: type[Snapshot | SamplerSnapshot]) -> None:
        write = kind.write

        def wait_and_write(self: Any, *given: Any) -> str:
            trainer.reached.set()
            assert trainer.open.wait(PATIENCE)
            if trainer.failure is not None:
                raise trainer.failure
            return write(self, *given)

        monkeypatch.setattr(kind, "write", wait_and_write)

    hold(Snapshot)
    hold(SamplerSnapshot)
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


def test_a_checkpoint_of_another_kind_of_device_is_stepped_on_as_this_one_does(held: Held) -> None:
    """A GPU steps by a kernel of its own, and says so in what it saves."""
    held.open.set()
    model = created(held)
    held.step(model)
    held.call("save_weights", {"model_id": model, "path": "first"})
    losses = [held.step(model) for _ in range(2)]
    path = held.parts.checkpoints.directory / "first" / "optimizer.pt"
    state = torch.load(path)
    state["param_groups"][0]["fused"] = True
    torch.save(state, path)
    held.call("load_weights", {"model_id": model, "path": "first", "optimizer": True})
    (optimizer,) = [each.optimizer for each in held.parts.host.models()]
    assert optimizer is not None and not optimizer.param_groups[0]["fused"]
    assert [held.step(model) for _ in range(2)] == pytest.approx(losses, rel=1e-6)


def test_training_goes_on_while_weights_for_a_sampler_are_written_as_they_were(held: Held) -> None:
    model = created(held)
    held.step(model)
    (module,) = [each.module for each in held.parts.host.models()]
    before = {name: each.cpu().clone() for name, each in module.state_dict().items()}
    saved = held.submit("save_weights_for_sampler", {"model_id": model, "path": "now"})
    for _ in range(2):
        held.step(model)
    assert held.reached.wait(PATIENCE) and not saved.done()
    held.open.set()
    folder = held.parts.sampler.directory / saved.result(PATIENCE)["path"]
    written = load_file(folder / "model.safetensors")
    assert written.keys() == before.keys() and all(torch.equal(written[name], before[name]) for name in before)
    assert (folder / "tokenizer.json").is_file()


def test_memory_that_runs_out_while_it_is_written_is_told_with_part_and_remedy(held: Held) -> None:
    model = created(held)
    held.failure = MemoryError()
    held.open.set()
    for operation, part in (("save_weights", "a checkpoint"), ("save_weights_for_sampler", "weights for a sampler")):
        with pytest.raises(OperationError, match=f"does not suffice for what is written of {part}. Unload other"):
            held.call(operation, {"model_id": model, "path": "none"})


def test_what_is_copied_counts_as_no_pass(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = iter([10 * 2**30, 10 * 2**30, 13 * 2**30])
    host, size = held.parts.host, 2**30
    host.plan = Plan(MemoryPlan(0, 0, 0, activations=size, logits=0), checkpointing=False, tokens=1, before=0)
    monkeypatch.setattr(memory_use, "peak_bytes", lambda _device: next(peaks))
    before = note_memory(held.parts).by_part
    held.parts.saving.note_copy(2 * size, 10 * size)
    assert note_memory(held.parts).by_part is None, "nothing new"
    after = note_memory(held.parts).by_part
    assert before and after and after["measured"]["copies"] == 2 * size
    assert after["measured"]["passes"] - before["measured"]["passes"] == size
    assert after["planned"]["passes"] == size


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
