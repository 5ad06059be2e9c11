"""Filters as text, written so that they read back as the same comparisons."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from wire.filters import FREE_TEXT, Comparison, Value


def write_filter(comparisons: Iterable[Comparison]) -> str:
    """The text that reads as these comparisons."""
    return " AND ".join(
        f"{c.field}{c.operator if c.field != FREE_TEXT else ''}{_written(c.value)}" for c in comparisons
    )


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = value.isoformat() if isinstance(value, datetime) else value
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
