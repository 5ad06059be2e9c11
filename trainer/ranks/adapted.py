"""Adapters of layers that are divided over ranks: whole on every rank, which computes its own part of what they add.

A rank's gradient of an adapter is what no other of them has, so that those of all ranks can be added up as they are.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.functional import linear
from transformers.distributed.parallel_utils import replace_layer_number_by_wildcard

from trainer.errors import OperationError
from trainer.ranks.group import Group
from trainer.ranks.mesh import TENSOR


@contextmanager
def as_if_whole(causal: Any) -> Iterator[None]:
    """Let linear modules look as if all of them were here, for an adapter to be made of that size.

    peft would make one of the size of a rank's part, and divide it over ranks itself.
    """
    spread, causal.config.distributed_config = causal.config.distributed_config, None
    weights = {part: part.weight for part in causal.modules() if _is_divided(part)}
    for part, weight in weights.items():
        own = weight.to_local()
        shown = torch.empty((), dtype=own.dtype, device=own.device).expand(weight.shape)  # which takes no memory
        part.weight = nn.Parameter(shown, requires_grad=False)
    try:
        yield
    finally:
        for part, weight in weights.items():
            part.weight = weight
        causal.config.distributed_config = spread


def _is_divided(part: Any) -> bool:
    return isinstance(part, nn.Linear) and isinstance(part.weight, DTensor)


def divide_adapter(causal: Any, name: str, group: Group) -> None:
    """Let each rank of `tensor` compute what it has to of the adapter of that name, all that is in the model."""
    along = group.along(TENSOR)
    for place, part in causal.named_modules():
        if isinstance(part, LoraLayer) and name in part.lora_A:
            inner, outer = part.lora_A[name], part.lora_B[name]
            divide = _STYLES[_style(causal, place)]
            inner.forward, outer.forward = divide(inner.weight, outer.weight, along)


def check_adapted(causal: Any, places: Iterable[str]) -> None:
    """Raise OperationError where an adapter of those modules cannot be divided as they are."""
    for place in places:
        if (style := _style(causal, place)) not in _STYLES:
            raise OperationError(
                f"{place} is divided by tensor parallelism in a way ({style}) that an adapter does not follow. Train "
                "all parameters, or launch a shape without tensor parallelism."
            )


def _style(causal: Any, place: str) -> str:
    return str(causal.tp_plan.get(replace_layer_number_by_wildcard(place), "replicate"))


Halves = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]


def _by_rows(inner: nn.Parameter, outer: nn.Parameter, along: Any) -> Halves:
    """Of a module whose every rank makes a part of the output."""
    rows = _own(outer.shape[0], along)
    return (
        lambda given: linear(_SumOfGradients.apply(given, along.get_group()), inner),
        lambda made: linear(made, outer[rows]),
    )


def _by_columns(inner: nn.Parameter, outer: nn.Parameter, along: Any) -> Halves:
    """Of a module whose every rank is given a part of the input, and whose output is added up."""
    columns = _own(inner.shape[1], along)
    return (
        lambda given: _Sum.apply(linear(given, inner[:, columns]), along.get_group()),
        lambda made: linear(made, _Share.apply(outer, along.size())),
    )


def _alike(inner: nn.Parameter, outer: nn.Parameter, along: Any) -> Halves:
    """Of a module that is given and makes the same on every rank."""
    return tuple(partial(_linear_alike, each, along.size()) for each in (inner, outer))  # type: ignore[return-value]


def _linear_alike(weight: nn.Parameter, ranks: int, given: Tensor) -> Tensor:
    return linear(given, _Share.apply(weight, ranks))


_STYLES = {
    "colwise": _by_rows,
    "rowwise": _by_columns,
    **dict.fromkeys(("replicate", "colwise_gather_output", "colwise_rep", "rowwise_split_input"), _alike),
}
"""By what transformers' plans call it."""


def _own(size: int, along: Any) -> slice:
    """This rank's part of so many rows or columns, as DTensors are divided."""
    each = -(-size // along.size())
    first = min(along.get_local_rank() * each, size)
    return slice(first, min(first + each, size))


class _Sum(torch.autograd.Function):
    """The sum of what the ranks of a group have; the gradient is the same on each of them."""

    @staticmethod
    def forward(_: Any, own: Tensor, group: dist.ProcessGroup) -> Tensor:
        total = own.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(_: Any, slope: Tensor) -> Any:
        return slope, None


class _SumOfGradients(torch.autograd.Function):
    """What the ranks of a group have alike, of whose gradient each computes a part."""

    @staticmethod
    def forward(context: Any, own: Tensor, group: dist.ProcessGroup) -> Tensor:
        context.group = group
        return own.view_as(own)

    @staticmethod
    def backward(context: Any, slope: Tensor) -> Any:
        total = slope.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=context.group)
        return total, None


class _Share(torch.autograd.Function):
    """A parameter of which so many ranks compute the same gradient: a share of it for each."""

    @staticmethod
    def forward(context: Any, own: Tensor, ranks: int) -> Tensor:
        context.ranks = ranks
        return own.view_as(own)

    @staticmethod
    def backward(context: Any, slope: Tensor) -> Any:
        return slope / context.ranks, None
