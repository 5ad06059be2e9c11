"""The order in which groups of things appear. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def in_groups(items: Sequence[Item], path: Callable[[Item], tuple[Hashable, ...]]) -> list[Item]:
    """The items with those of one group together, groups in order of first appearance, at every depth of their path."""
    first: dict[tuple[Hashable, ...], int] = {}
    for order, item in enumerate(items):
        for group in _prefixes(path(item)):
            first.setdefault(group, order)
    return sorted(items, key=lambda item: [first[group] for group in _prefixes(path(item))])


def _prefixes(path: tuple[Hashable, ...]) -> list[tuple[Hashable, ...]]:
    return [path[: depth + 1] for depth in range(len(path))]
