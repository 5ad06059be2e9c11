"""What a sampler needs of whatever computes: the protocol that both engines speak."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from sampler.sequences import Choice

Weights = Any
"""What an engine knows the weights by that it holds."""


class Engine(Protocol):
    """Calls may come from any thread. Those that load raise OperationError where they cannot, and change nothing."""

    vocabulary: int
    has_experts: bool

    def open(self, directory: Path) -> Weights:
        """Load the base model."""

    def load_full(self, directory: Path) -> Weights:
        """Load whole weights of the base model's shape, beside or instead of those that are served."""

    def load_adapter(self, directory: Path, base: Weights) -> Weights:
        """Load an adapter onto the base."""

    def release(self, weights: Weights) -> None:
        """No new choice comes for these weights: let go of them once the last one is done."""

    def submit(self, choices: Sequence[Choice], weights: Weights) -> None:
        """Compute the choices with these weights to their end, whatever is loaded meanwhile."""

    def occupied(self) -> tuple[int, int]:
        """How many choices are computed, and how many wait."""

    def failure(self) -> str:
        """Why it will not compute any more; "" while it will."""

    def close(self) -> None:
        """The process ends."""
