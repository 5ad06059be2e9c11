"""Which bytes a Range field asks for: the edges, as a table."""

from __future__ import annotations

import pytest

from downloads.ranges import NotSatisfiable, read_range

EVERYTHING, OUTSIDE = None, "416"
RANGES: dict[str, tuple[int, int] | str | None] = {
    "bytes=0-0": (0, 1),
    "bytes=0-9": (0, 10),
    "bytes=3-": (3, 10),
    "bytes=0-": (0, 10),
    "bytes=9-": (9, 10),
    "bytes=3-999": (3, 10),
    "bytes=-1": (9, 10),
    "bytes=-10": (0, 10),
    "bytes=-11": (0, 10),
    "Bytes=2-3": (2, 4),
    " bytes=2-3 ": (2, 4),
    "bytes= 2-3": (2, 4),
    "bytes=10-": OUTSIDE,
    "bytes=10-20": OUTSIDE,
    "bytes=-0": OUTSIDE,
    "bytes=9223372036854775807-": OUTSIDE,
    "": EVERYTHING,
    "bytes=": EVERYTHING,
    "bytes=-": EVERYTHING,
    "bytes=5-4": EVERYTHING,
    "bytes=a-b": EVERYTHING,
    "bytes=1-2,4-5": EVERYTHING,
    "bytes=--1": EVERYTHING,
    "bytes=+1-2": EVERYTHING,
    "bytes=1 - 2": EVERYTHING,
    "bytes=0x1-2": EVERYTHING,
    "bytes=²-3": EVERYTHING,
    "lines=0-1": EVERYTHING,
    f"bytes={'9' * 5000}-": EVERYTHING,
}


@pytest.mark.parametrize("field", RANGES)
def test_what_a_field_asks_for(field: str) -> None:
    wanted = RANGES[field]
    if wanted == OUTSIDE:
        with pytest.raises(NotSatisfiable):
            read_range(field, 10)
    else:
        assert read_range(field, 10) == wanted


@pytest.mark.parametrize("field", ["bytes=0-", "bytes=0-0", "bytes=-1"])
def test_of_nothing_there_is_no_part(field: str) -> None:
    with pytest.raises(NotSatisfiable):
        read_range(field, 0)
