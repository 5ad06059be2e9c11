"""A model as it is at one moment, what writes that to files, and what reads the state of its optimizer back."""

# mypy: allow-untyped-calls

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor

from trainer.export import precision_name
from trainer.models import HeldModel, local
from trainer.operations.parts import Parts
from trainer.ranks.files import tensors_of, write_parts
from trainer.ranks.group import Group

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
        for each in _tensors([self.weights, self.optimizer]):
            local(each).untyped_storage().resize_(0)

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


def _copied(value: Any) -> Any:
    """The same with all of its tensors in the memory of the machine; a rank's part of one stays a part."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


def _tensors(value: Any) -> list[Tensor]:
    """All that are somewhere inside of it."""
    if isinstance(value, Tensor):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [tensor for each in inner for tensor in _tensors(each)]
