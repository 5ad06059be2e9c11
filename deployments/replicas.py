"""How many replicas a deployment has. Pure."""

from __future__ import annotations

from wire.errors import Violation

MOST_REPLICAS = 64


def refuse_bounds(least: int, most: int) -> list[Violation]:
    """What is wrong with the bounds."""
    if not 0 <= least <= MOST_REPLICAS:
        return [Violation("min_replicas", f"{least} is out of range. Use 0 to {MOST_REPLICAS}.")]
    if not least <= most <= MOST_REPLICAS:
        return [
            Violation("max_replicas", f"{most} is out of range. Use {least}, the least replicas, to {MOST_REPLICAS}.")
        ]
    return []


def wanted_replicas(least: int, most: int) -> int:
    """How many to start with: one at least, where any is allowed, so that there is something to wait for."""
    return max(least, min(1, most))
