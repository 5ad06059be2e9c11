"""Which bytes a request asks for, of a thing that has so many of them. Pure. Source: RFC 9110, section 14."""

from __future__ import annotations

import re

_ONE = re.compile(r"bytes=[ \t]*(\d{0,19})-(\d{0,19})[ \t]*", re.ASCII | re.IGNORECASE)


class NotSatisfiable(Exception):
    """The range lies outside of what there is: 416."""


def read_range(field: str, size: int) -> tuple[int, int] | None:
    """The first place and the one behind the last; None for everything, where no one range is asked for.

    What is no range of bytes, and several at once, are ignored, as a server may. Errors: `NotSatisfiable`.
    """
    found = _ONE.fullmatch(field.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        return _inside(max(size - int(last), 0), size, size)
    if last and int(last) < int(first):
        return None  # no valid range at all, so it counts as none
    return _inside(int(first), min(int(last) + 1, size) if last else size, size)


def _inside(start: int, stop: int, size: int) -> tuple[int, int]:
    if start >= size:
        raise NotSatisfiable
    return start, stop
