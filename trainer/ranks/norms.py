"""Gradients of which every rank has a part, on meshes of which each is divided otherwise."""

# mypy: allow-untyped-calls

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from trainer.ranks.group import Group


def local(tensor: Tensor) -> Tensor:
    """What of a tensor lies on this rank."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def total_norm(tensors: Sequence[Tensor], group: Group) -> float:
    """The Euclidean norm of all of them, of which each number counts once, on however many ranks it lies.

    torch.nn.utils.get_total_norm takes no tensors of different meshes.
    """
    own = torch._foreach_norm([local(each) for each in tensors])
    squares = [float(norm) ** 2 / _copies(each, group.size) for norm, each in zip(own, tensors, strict=True)]
    total = torch.tensor([math.fsum(squares)], dtype=torch.float64, device=tensors[0].device)
    group.add_up([total])
    return math.sqrt(float(total))


def _copies(tensor: Tensor, ranks: int) -> int:
    """On how many ranks each part of it lies."""
    if not isinstance(tensor, DTensor):
        return ranks
    mesh = tensor.device_mesh
    parts = [mesh.size(number) for number, placement in enumerate(tensor.placements) if not placement.is_replicate()]
    return ranks // math.prod(parts)
