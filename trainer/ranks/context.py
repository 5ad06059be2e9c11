"""Rows of sequences of which each of several ranks computes a part (context parallelism).

A row is cut into twice as many stretches of one length as there are ranks, and each rank has one from its front and one
from its back: the further back a token stands the more it attends to, and so all have as much to compute. A rank has
the queries of its own tokens, and gets the keys and values of all.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed._functional_collectives import all_gather_single_autograd


@dataclass(frozen=True)
class Context:
    """The ranks that share rows, seen from one of them; one alone computes whole rows."""

    rank: int = 0
    size: int = 1
    process_group: dist.ProcessGroup | None = None

    def gather(self, own: Tensor) -> Tensor:
        """What all have, one behind the other: [tokens, ...], as many of each rank.

        Gradients go back to whose it was, those of all ranks added up.
        """
        return all_gather_single_autograd(own.contiguous(), 0, self.process_group)

    def add_up(self, own: Tensor) -> Tensor:
        """The sum of what each has, without gradients."""
        if self.size == 1:
            return own
        told = own.detach().clone()
        dist.all_reduce(told, group=self.process_group)
        return told

    def complete(self, own: Tensor, places: Tensor, count: int) -> Tensor:
        """So many values, of which this rank has those at `places` and the others have the rest.

        Gradients go to its own alone: all ranks compute the same of all values, and each lets it flow back by its own.
        """
        if self.size == 1:
            return own
        mine = own.new_zeros(count, *own.shape[1:]).index_copy(0, places, own)
        return mine + self.add_up(mine).index_fill(0, places, 0.0)


WHOLE = Context()


@dataclass(frozen=True)
class Piece:
    """Some tokens of a sequence that stand together: the last `count` of those from `begin` to `end` of the row.

    Each attends to what stands at `begin` and after, itself included, and not behind it.
    """

    count: int
    begin: int
    end: int


@dataclass(frozen=True)
class Row:
    """Sequences one behind the other, and what of them a rank computes: `places`, in the order that it has them.

    A row is filled up with tokens that belong to no sequence, so that all ranks have as many. They are the last that a
    rank has, and stand behind all sequences in `pieces`, which cover them, too.
    """

    lengths: tuple[int, ...]
    context: Context = WHOLE

    @property
    def tokens(self) -> int:
        return sum(self.lengths)

    @property
    def stretch(self) -> int:
        """Tokens of each of the stretches that it is cut into."""
        return -(-self.tokens // self._stretches)

    @property
    def _stretches(self) -> int:
        return 2 * self.context.size if self.context.size > 1 else 1

    @property
    def pieces(self) -> list[Piece]:
        """Of this rank."""
        filled = self.stretch * self._stretches
        bounds = [*accumulate(self.lengths, initial=0), *([filled] if filled > self.tokens else [])]
        return [piece for first, last in self._own for piece in _pieces(bounds, first, last)]

    @property
    def _own(self) -> list[tuple[int, int]]:
        """From where to where this rank has its stretches."""
        numbers = (self.context.rank, self._stretches - 1 - self.context.rank) if self.context.size > 1 else (0,)
        return [(number * self.stretch, (number + 1) * self.stretch) for number in numbers]

    def places(self, device: torch.device) -> Tensor:
        """Of this rank's own tokens of sequences in the row."""
        bounds = [(min(first, self.tokens), min(last, self.tokens)) for first, last in self._own]
        return torch.cat([torch.arange(*each, device=device) for each in bounds])

    def gathered(self, device: torch.device) -> Tensor:
        """Where in what all ranks have, one behind the other, that stands which `pieces` attend to, piece by piece."""
        stands = torch.cat([torch.arange(piece.begin, piece.end, device=device) for piece in self.pieces])
        if self.context.size == 1:
            return stands
        number = stands // self.stretch
        mirrored = self._stretches - 1 - number
        is_front = number < mirrored
        return torch.where(is_front, 2 * number, 2 * mirrored + 1) * self.stretch + stands % self.stretch


def _pieces(bounds: Sequence[int], first: int, last: int) -> Iterator[Piece]:
    """What lies from first to last, sequence by sequence; bounds: where sequences begin, and where the last ends."""
    for begin, end in pairwise(bounds):
        if begin < last and first < end:
            yield Piece(min(end, last) - max(begin, first), begin, min(end, last))
