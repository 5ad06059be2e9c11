"""Where measurements leave their figures for the table at the end of `./run bench`."""

from __future__ import annotations

from benchmarks.results import Figure

figures: list[Figure] = []


def note(figure: Figure) -> None:
    """Have it in the table."""
    figures.append(figure)
