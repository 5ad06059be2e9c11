"""How long rows are: counts by powers of two, in memory that does not grow with the file. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Lengths:
    """`counts[n]` are the rows shorter than 2**n that are not in a smaller one; lengths in whatever is counted."""

    counts: list[int] = field(default_factory=lambda: [0] * 32)
    total: int = 0
    longest: int = 0

    def add(self, length: int) -> None:
        """One row more."""
        self.counts[min(length.bit_length(), 31)] += 1
        self.total += length
        if length > self.longest:
            self.longest = length

    @property
    def rows(self) -> int:
        """How many were counted."""
        return sum(self.counts)

    @property
    def mean(self) -> float:
        """Of all rows; 0 where there is none."""
        return self.total / max(1, self.rows)

    def bars(self) -> list[tuple[int, int, int]]:
        """From, to (exclusive) and how many, from the first that has some to the last."""
        held = [at for at, count in enumerate(self.counts) if count]
        if not held:
            return []
        return [(1 << at >> 1, 1 << at, self.counts[at]) for at in range(held[0], held[-1] + 1)]

    def as_json(self) -> dict[str, Any]:
        """To be kept; `read_lengths` takes it back."""
        counts = list(self.counts)
        while counts and not counts[-1]:
            counts.pop()
        return {"counts": counts, "total": self.total, "longest": self.longest}


def read_lengths(kept: dict[str, Any]) -> Lengths:
    """From what was kept, or from nothing."""
    counts = kept.get("counts", [])
    return Lengths([*counts, *[0] * (32 - len(counts))], kept.get("total", 0), kept.get("longest", 0))
