"""The order in which the keys of an object are written. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

Written = TypeVar("Written")


def in_order(found: Mapping[str, Written], first: Iterable[str]) -> dict[str, Written]:
    """What was found, those keys of `first` that are there before all others."""
    return {name: found[name] for name in (*first, *found) if name in found}
