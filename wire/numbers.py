"""A whole number as people and programs write one, read alike at every door. Pure.

As JSON of protocol buffers does, `8`, `8.0`, `8e0` and any of them as a text are the same number; a boolean is none.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

_WRITTEN = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?")
LARGEST = 2**63 - 1


def read_whole(given: Any) -> int | None:
    """The whole number that was given, within 64 bits; None for everything else."""
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    if isinstance(given, int):
        return given if abs(given) <= LARGEST else None
    text = str(given).strip()
    if not (text.isascii() and _WRITTEN.fullmatch(text)):
        return None
    number = Decimal(text)
    return int(number) if abs(number) <= LARGEST and number == number.to_integral_value() else None
