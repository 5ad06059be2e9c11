"""What the memory of a trainer was found to go to, beside what was planned for it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

PARTS = ("parameters", "gradients", "optimizer", "passes", "activations", "logits", "gathered", "copies")
"""What the trainer calls them; passes take activations, logits and what is gathered for them."""


@dataclass(frozen=True)
class MemoryUse:
    """Bytes on one rank, by part, of which each side has those that can be told there.

    `tokens` are those of the passes that were planned.
    """

    tokens: int | None
    planned: dict[str, int]
    measured: dict[str, int]
