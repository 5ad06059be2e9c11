"""A model as it is at one moment, what writes that to files, and what reads the state of its optimizer back."""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor

from trainer.export import adapter_of, precision_name, write_adapter_files, write_whole
from trainer.held import HeldModel
from trainer.operations.parts import Parts
from trainer.ranks.files import tensors_of, write_parts
from trainer.ranks.group import Group
from trainer.ranks.norms import local

WEIGHTS, OPTIMIZER = "weights.safetensors", "optimizer.pt"
WEIGHT_PARTS, OPTIMIZER_PARTS = "weights", "optimizer"
MOMENTS = ("exp_avg", "exp_avg_sq")
STEPS = "steps"
"""Of the optimizer, for each parameter: one number each, in their order."""


@dataclass(frozen=True)
class Snapshot:
    """Weights and state of the optimizer (none before its first step); in_parts: each rank has a part of them."""

    weights: dict[str, Tensor]
    optimizer: dict[str, Any]
    in_parts: bool
    precision: str

    @property
    def size_bytes(self) -> int:
        """Of what lies on this rank."""
        return sum(local(each).nbytes for each in _tensors([self.weights, self.optimizer]))

    def copied(self) -> Snapshot:
        """The same in the memory of the machine, whatever becomes of the model from here on."""
        return replace(self, weights=_copied(self.weights), optimizer=_copied(self.optimizer))

    def forget(self) -> None:
        """Give a copy's memory back, whoever still refers to it: an error keeps all that it came through."""
        _forget([self.weights, self.optimizer])

    def write(self, directory: Path, group: Group) -> str:
        """Write it, while the other ranks write theirs; answers the precision of the weights. Errors: OSError."""
        if self.in_parts:
            write_parts(directory / WEIGHT_PARTS, self.weights, group)
            if self.optimizer:
                write_parts(directory / OPTIMIZER_PARTS, self.optimizer, group)
        else:
            save_file({name: each.contiguous() for name, each in self.weights.items()}, directory / WEIGHTS)
            if self.optimizer:
                torch.save(self.optimizer, directory / OPTIMIZER)
        return self.precision


@dataclass(frozen=True)
class SamplerSnapshot:
    """Weights that `render` makes a Hugging Face directory of; answers their precision."""

    weights: dict[str, Tensor]
    render: Callable[[dict[str, Tensor], Path], str]
    in_parts: bool = False

    @property
    def size_bytes(self) -> int:
        return sum(each.nbytes for each in _tensors(self.weights))

    def copied(self) -> SamplerSnapshot:
        """As `Snapshot.copied`."""
        return replace(self, weights=_copied(self.weights))

    def forget(self) -> None:
        """As `Snapshot.forget`."""
        _forget(self.weights)

    def write(self, directory: Path, _: Group) -> str:
        """As `Snapshot.write`."""
        return self.render(self.weights, directory)


def sampler_snapshot_of(parts: Parts, model: HeldModel) -> SamplerSnapshot:
    """The model as it is, or its adapter, of which this rank has the whole."""
    base, base_model = parts.host.directory, parts.config.base_model
    with parts.host.active(model) as module:
        if not model.rank:
            whole = partial(write_whole, module)
            return SamplerSnapshot(module.state_dict(), lambda tensors, directory: whole(tensors, base, directory))
        tensors, config = adapter_of(module, model.id)
    return SamplerSnapshot(
        tensors, lambda given, directory: write_adapter_files(given, config, base, base_model, directory)
    )


def snapshot_of(parts: Parts, model: HeldModel) -> Snapshot:
    """The model as it is, which the next step changes."""
    in_parts = is_in_parts(parts, model)
    optimizer: dict[str, Any] = {}
    with parts.host.active(model) as module:
        if model.rank:
            weights = get_peft_model_state_dict(module, adapter_name=model.id, save_embedding_layers=False)
        else:
            weights = {name: each.detach() for name, each in tensors_of(module).items()}
        if model.optimizer is not None:
            named = dict(module.named_parameters())
            optimizer = optimizer_tensors(model, named) if in_parts else model.optimizer.state_dict()
    return Snapshot(weights, optimizer, in_parts, precision_name(model.parameters[0].dtype))


def is_in_parts(parts: Parts, model: HeldModel) -> bool:
    """Whether each rank has a part of the model; an adapter is whole on every one."""
    return parts.group.size > 1 and not model.rank


def optimizer_tensors(model: HeldModel, named: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state of the optimizer by name; of parameters that no step has reached, as before the first."""
    states = model.ensure_optimizer().state
    steps = torch.tensor([float(states[each]["step"]) if each in states else 0.0 for each in named.values()])
    moments = {
        f"{name}.{moment}": states[each][moment] if each in states else torch.zeros_like(each)
        for name, each in named.items()
        for moment in MOMENTS
    }
    return {STEPS: steps, **moments}


def _copied(value: Any, done: dict[tuple[Any, ...], Tensor] | None = None) -> Any:
    """The same with all of its tensors in the memory of the machine; a rank's part of one stays a part.

    What is there twice, as an embedding that is the head, is copied once.
    """
    done = {} if done is None else done
    if isinstance(value, Tensor):
        own = local(value)
        key = (own.data_ptr(), own.shape, own.stride(), own.dtype) if own.numel() else (id(value),)
        if key not in done:
            done[key] = value.detach().to("cpu", copy=True)
        return done[key]
    if isinstance(value, dict):
        return {key: _copied(each, done) for key, each in value.items()}
    return [_copied(each, done) for each in value] if isinstance(value, list) else value


def _forget(value: Any) -> None:
    for each in _tensors(value):
        local(each).untyped_storage().resize_(0)


def _tensors(value: Any) -> list[Tensor]:
    """All that are somewhere inside of it."""
    if isinstance(value, Tensor):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [tensor for each in inner for tensor in _tensors(each)]
