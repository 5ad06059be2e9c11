"""Numbers, times and words that a trainer wrote, as far as they are some; else None, or what of them is harmless."""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime
from typing import Any

_MAX_INTEGER = 2**63 - 1
_MAX_NUMBER = 2**31 - 1
_FIRST_YEAR, _LAST_YEAR = 1970, 9998  # so that it is a time in every zone


def number(value: Any) -> int | None:
    """A record's or a step's number, which is stored in four bytes."""
    found = integer(value)
    return found if found is not None and found <= _MAX_NUMBER else None


def integer(value: Any) -> int | None:
    """A whole number that eight bytes hold."""
    return value if type(value) is int and 0 <= value <= _MAX_INTEGER else None


def finite(value: Any) -> float | None:
    """A number that a float holds, no NaN and no infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > sys.float_info.max:
        return None
    return float(value) if math.isfinite(value) else None


def moment(value: Any) -> datetime | None:
    """A time, as ISO 8601 writes it, in UTC where it names no zone."""
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return time if _FIRST_YEAR <= time.year <= _LAST_YEAR else None


def plain(text: str) -> str:
    """A line as people may read it: without characters that control, hide or reorder others."""
    return "".join(letter if letter.isprintable() else " " for letter in printable(text)).strip()


def printable(text: str) -> str:
    """Without NUL and lone surrogates, which a database text cannot hold."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
