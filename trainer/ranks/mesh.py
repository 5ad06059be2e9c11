"""Which part of the work each rank of a trainer has: a mesh of the dimensions `data`, `context` and `tensor`.

Rank = (data * CONTEXT + context) * TENSOR + tensor, so ranks that say most to one another are neighbours. Ranks of one
`data` share their sequences (`sharers`); those that differ in `data` have sequences of their own. Along `context` each
has a part of the tokens of each sequence, along `tensor` a part of each layer, and all of the tokens.

- The deal: `operations/forward.py::own_batches` deals sequences to `mesh.data_size` groups, and a rank computes those
  of group `mesh.data`. All sharers are dealt the same ones, in the same order.
- What is told of them: `mesh.speaks` of the sharers, one, tells the results of all (`Group.gather` of those; {} of the
  others). What only a part of them knows has to be brought together among them first.
- Gradients: of what is sharded by FSDP2 they are added up over `fsdp` = data x context, which is one dimension to it;
  those of adapters, which lie whole on every rank, over all ranks (`Group.add_up`): so each rank has to have computed
  what no other has, and what several compute alike has to count once.
- Norms: parameters lie on meshes of their own, and each number of one counts once, on however many ranks it lies.
- Experts are dealt out whole over `experts` ranks that are neighbours, whatever their data and tensor are.

Pure: the process groups of a dimension are had from `Group.along`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

DIMENSIONS = DATA, CONTEXT, TENSOR = ("data", "context", "tensor")


@dataclass(frozen=True)
class Scheme:
    """Over how many ranks each divides something of a model, as CONFIG.json names them."""

    tensor: int = 1
    context: int = 1
    expert: int = 1

    @property
    def sharers(self) -> int:
        """Ranks that share their sequences."""
        return self.tensor * self.context

    @property
    def experts(self) -> int:
        """Ranks over which experts are dealt out, each whole on one: those that share a layer in any case."""
        return math.lcm(self.tensor, self.expert)

    def __str__(self) -> str:
        degrees = {"tensor": self.tensor, "context": self.context, "expert": self.expert}
        return ", ".join(f"{kind} {degree}" for kind, degree in degrees.items() if degree > 1)


PLAIN = Scheme()


@dataclass(frozen=True)
class Mesh:
    """The place of a rank in it."""

    rank: int = 0
    size: int = 1
    scheme: Scheme = PLAIN

    @property
    def shape(self) -> tuple[int, int, int]:
        """Sizes of DIMENSIONS, in their order."""
        return self.data_size, self.scheme.context, self.scheme.tensor

    @property
    def data_size(self) -> int:
        """Groups of ranks with sequences of their own."""
        return self.size // self.scheme.sharers

    @property
    def fsdp_size(self) -> int:
        """Ranks over which FSDP2 shards what `tensor` has left of a parameter."""
        return self.size // self.scheme.tensor

    @property
    def data(self) -> int:
        return self.rank // self.scheme.sharers

    @property
    def context(self) -> int:
        return self.rank // self.scheme.tensor % self.scheme.context

    @property
    def tensor(self) -> int:
        return self.rank % self.scheme.tensor

    @property
    def sharers(self) -> range:
        """The ranks that share this one's sequences."""
        first = self.data * self.scheme.sharers
        return range(first, first + self.scheme.sharers)

    @property
    def speaks(self) -> bool:
        """Whether it is this rank of the sharers that tells the others what came of their sequences."""
        return self.rank == self.sharers.start
