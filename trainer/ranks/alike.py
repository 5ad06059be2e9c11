"""Whether ranks that share layers come to the same gradients of what each of them has whole.

A family's plan in transformers says how its layers are divided, and may forget a part of them: then each rank has the
gradient of its own heads alone, no error says so, and what should be one parameter is soon another on every rank. So
it is tried once a model is loaded.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.nn.functional import cross_entropy

from trainer.errors import ConfigError
from trainer.logprobs import Compute, halves
from trainer.memory import is_out_of_memory
from trainer.ranks.group import Group
from trainer.ranks.mesh import TENSOR
from trainer.ranks.norms import local
from trainer.ranks.roll import is_lost_connection

_TOKENS = 24
_APART = 0.05
"""By how much of its length a gradient may differ: one of other heads differs by about all of it, rounding does not."""
_NOTHING = 1e-6
"""Of the length of all gradients: what is no longer than that is rounding, and tells nothing."""


def check_alike(module: Any, group: Group, compute: Compute) -> None:
    """Try one pass. Raises ConfigError on every rank where ranks of `tensor` differ; gradients are dropped afterwards.

    Without parameters that are trained it is the gradient of the embeddings that is compared.
    """
    if group.mesh.scheme.tensor == 1:
        return
    asked, kind = f"Tensor parallelism {group.mesh.scheme.tensor}", module.config.model_type
    try:
        found = _gradients(module, compute)
    except (KeyError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error) or is_lost_connection(error):
            raise
        raise ConfigError(
            f"{asked} is not possible with this {kind}: divided as the library's plan says its layers do not compute "
            f"({' '.join(str(error).split())[:200] or type(error).__name__}). Use a shape without it."
        ) from error
    different = _different(found, group)
    module.zero_grad(set_to_none=True)
    if different:
        raise ConfigError(
            f"{asked} would train this {kind} wrongly: the library's plan of how its layers are divided leaves each "
            f"rank a gradient of its own of {different}. Use a shape without tensor parallelism."
        )


def _gradients(module: Any, compute: Compute) -> dict[str, Tensor]:
    """Of each trained parameter, and of the embeddings of some tokens, by name."""
    parts = halves(module)
    made: list[Tensor] = []

    def keep(_module: Any, _given: Any, output: Tensor) -> None:
        if not output.requires_grad:
            output.requires_grad_()
        output.retain_grad()
        made.append(output)

    embeddings = module.get_input_embeddings()
    tokens = torch.arange(_TOKENS, device=module.device) * 7 % min(embeddings.num_embeddings, 509)

    def loss() -> Tensor:
        hidden = parts.hidden(tokens.unsqueeze(0))[0]
        if parts.head is None:
            return hidden.float().square().mean()
        return cross_entropy(parts.head(hidden)[:-1].float(), tokens[1:])

    kept = embeddings.register_forward_hook(keep)
    try:
        torch.autograd.backward(compute(module, loss))
    finally:
        kept.remove()
    found = {name: part.grad for name, part in module.named_parameters()} | {"its embeddings": made[0].grad}
    return {name: slope for name, slope in found.items() if slope is not None}


def _different(found: dict[str, Tensor], group: Group) -> str:
    """The first gradient of which the ranks along `tensor` have one part, and not one value; "" where none is so."""
    mesh, along = group.mesh, group.along(TENSOR).get_group()
    told = group.gather({name: _part(each) for name, each in found.items()})
    neighbours = [told[rank] for rank in mesh.sharers]
    compared = [name for name in found if all(each.get(name) == told[group.rank][name] for each in neighbours)]
    lengths = {name: float(local(found[name]).float().norm()) for name in compared}
    least = _NOTHING * max(lengths.values(), default=0.0)
    different = []
    for name in compared:
        own = local(found[name]).float()
        total = own.clone()
        dist.all_reduce(total, group=along)
        apart = float((total - mesh.scheme.tensor * own).norm())
        if not apart <= _APART * lengths[name] + least:
            different.append(name)
    return next((names[0] for names in group.gather(different) if names), "")


def _part(tensor: Tensor) -> list[Any]:
    """Which part of it lies on this rank: its place along each dimension that it is divided by."""
    if not isinstance(tensor, DTensor):
        return []
    mesh = tensor.device_mesh
    return [
        (number, str(placement), mesh.get_local_rank(number))
        for number, placement in enumerate(tensor.placements)
        if not placement.is_replicate()
    ]
