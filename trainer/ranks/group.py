"""What the ranks of a trainer tell one another while they run an operation together.

All of it passes through the processors, whatever the model is computed on, and every rank has to ask for the same
things in the same order.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from trainer.errors import OperationError
from trainer.ranks.context import WHOLE, Context
from trainer.ranks.mesh import CONTEXT, DIMENSIONS, PLAIN, Mesh, Scheme
from trainer.ranks.places import RankPlace

T = TypeVar("T")
_FOR_EVER = timedelta(days=365)
"""A rank waits for the next operation as long as there is none; that another is gone is seen otherwise (roll.py)."""


class Group(Protocol):
    """The ranks, seen from one of them."""

    rank: int
    size: int
    mesh: Mesh

    def agree(self, make: Callable[[], T]) -> T:
        """What rank 0 makes, on every rank; an OperationError that it raises is raised on every rank."""

    def either(self, flag: bool) -> bool:
        """Whether it holds on any rank."""

    def gather(self, own: T) -> list[T]:
        """What each rank has, in their order."""

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Make each tensor the sum of those of all ranks."""

    def beside(self) -> Group:
        """The same ranks, for a thread that talks while they do otherwise. All have to ask for it."""

    @property
    def process_group(self) -> dist.ProcessGroup | None:
        """By which they talk."""

    @property
    def context(self) -> Context:
        """This rank and those with which it shares the tokens of its sequences. All have to ask for it."""

    def along(self, dimension: str) -> DeviceMesh:
        """This rank and those that differ from it in that dimension of the mesh alone, for what models compute.

        All ranks have to ask for it; of one process there is none.
        """


class Alone:
    """The one process of a trainer that has no other."""

    rank, size = 0, 1
    mesh = Mesh()

    def agree(self, make: Callable[[], T]) -> T:
        return make()

    def either(self, flag: bool) -> bool:
        return flag

    def gather(self, own: T) -> list[T]:
        return [own]

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        del tensors

    def beside(self) -> Alone:
        return self

    @property
    def process_group(self) -> None:
        return None

    @property
    def context(self) -> Context:
        return WHOLE

    def along(self, dimension: str) -> DeviceMesh:
        raise ValueError(f"one process has no others along {dimension}")


ALONE = Alone()


class Ranks:
    """One process of several."""

    def __init__(self, place: RankPlace, meeting: Path, scheme: Scheme = PLAIN) -> None:
        """Find the others. It returns once all are there."""
        self.rank, self.size = place.rank, place.size
        self.mesh = Mesh(place.rank, place.size, scheme)
        self._devices: DeviceMesh | None = None
        # The libraries' own names; transformers reads them when it loads a model in parts.
        os.environ.update(RANK=str(place.rank), WORLD_SIZE=str(place.size), LOCAL_RANK=str(place.on_node))
        if place.nodes == 1:  # nothing of it leaves the machine then
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
            store=dist.FileStore(str(meeting), place.size),
            rank=place.rank,
            world_size=place.size,
            timeout=_FOR_EVER,
        )
        self._talk = _new_group()

    def agree(self, make: Callable[[], T]) -> T:
        told: list[Any] = [None]
        if self.rank == 0:
            try:
                told = [make()]
            except OperationError as error:
                told = [error]
        dist.broadcast_object_list(told, src=0, group=self._talk)
        if isinstance(told[0], OperationError):
            raise told[0]
        return told[0]  # type: ignore[no-any-return]

    def either(self, flag: bool) -> bool:
        told = torch.tensor(int(flag))
        dist.all_reduce(told, dist.ReduceOp.MAX, group=self._talk)
        return bool(told)

    def gather(self, own: T) -> list[T]:
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, own, group=self._talk)
        return found

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            dist.all_reduce(tensor)

    def beside(self) -> Ranks:
        other = copy.copy(self)
        other._talk = _new_group()
        return other

    def divided(self, scheme: Scheme) -> Ranks:
        """The same ranks, in the mesh of another scheme."""
        other = copy.copy(self)
        other.mesh, other._devices = Mesh(self.rank, self.size, scheme), None
        return other

    @property
    def process_group(self) -> dist.ProcessGroup:
        return self._talk

    @property
    def context(self) -> Context:
        if self.mesh.scheme.context == 1:
            return WHOLE
        return Context(self.mesh.context, self.mesh.scheme.context, self.along(CONTEXT).get_group())

    def along(self, dimension: str) -> DeviceMesh:
        if self._devices is None:
            kind = "cuda" if torch.cuda.is_available() else "cpu"
            self._devices = init_device_mesh(kind, self.mesh.shape, mesh_dim_names=DIMENSIONS)
        return self._devices[dimension]


def _new_group() -> dist.ProcessGroup:
    group = dist.new_group(backend="gloo", timeout=_FOR_EVER)
    assert isinstance(group, dist.ProcessGroup)
    return group
