"""Which rows each step trains on: of the seed and the step alone, so that a resumed run goes on at the exact row.

Pure.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

MOST_HELD_OUT = 500

Unit = tuple[int, ...]
"""Rows that are one sequence together: one, or several where rows are packed."""


def held_out(rows: Sequence[int], *, percent: float, seed: int) -> list[int]:
    """The rows to be measured and never trained on: at least one of two where any are asked for, 500 at most."""
    if not percent or len(rows) < 2:
        return []
    return picked(rows, min(MOST_HELD_OUT, max(1, round(len(rows) * percent / 100))), seed=seed)


def picked(rows: Sequence[int], many: int, *, seed: int) -> list[int]:
    """So many of the rows, as the seed has it, in their order."""
    return sorted(random.Random(f"held out {seed}").sample(rows, many))  # noqa: S311  # an order, no secret


def pack(rows: Sequence[int], tokens: Sequence[int], *, limit: int, seed: int) -> list[Unit]:
    """The rows, in an order of the seed, one after the other into units of `limit` tokens at most."""
    packed: list[list[int]] = []
    room = 0
    for row in random.Random(f"packing {seed}").sample(rows, len(rows)):  # noqa: S311
        if packed and tokens[row] <= room:
            packed[-1].append(row)
        else:
            packed.append([row])
            room = limit
        room -= tokens[row]
    return [tuple(unit) for unit in packed]


Batch = tuple[Unit, ...]
"""What one step trains on, where that does not depend on the epoch."""


def batches_of(units: Sequence[Unit], tokens: Sequence[int], *, limit: int, seed: int) -> list[Batch]:
    """The units, in an order of the seed, in batches of `limit` tokens at most; one that is longer is one by itself."""
    lengths = [sum(tokens[row] for row in unit) for unit in units]
    return [
        tuple(units[place] for place in batch) for batch in pack(range(len(units)), lengths, limit=limit, seed=seed)
    ]


@dataclass
class Order:
    """`batch` units a step, of which the last step of an epoch has what is left; or with `batches` one of those."""

    units: Sequence[Unit]
    batch: int
    seed: int
    batches: Sequence[Batch] = ()
    _epoch: int = field(default=-1, init=False)
    _shuffled: list[int] = field(default_factory=list, init=False)

    @property
    def steps_an_epoch(self) -> int:
        """Rounded up."""
        return len(self.batches) or -(-len(self.units) // self.batch)

    def at(self, step: int) -> list[Unit]:
        """What the step, from 0, trains on; each epoch has an order of its own."""
        epoch, index = divmod(step, self.steps_an_epoch)
        if epoch != self._epoch:
            many = len(self.batches) or len(self.units)
            self._shuffled = random.Random(f"epoch {self.seed} {epoch}").sample(range(many), many)  # noqa: S311
            self._epoch = epoch
        if self.batches:
            return list(self.batches[self._shuffled[index]])
        return [self.units[place] for place in self._shuffled[index * self.batch : (index + 1) * self.batch]]
