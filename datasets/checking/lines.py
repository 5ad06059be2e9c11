"""A file's lines, read once: of one that is longer than the limit only its beginning is held. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

LONGEST_LINE = 8 * 1024 * 1024
"""Bytes. A row of a million tokens takes about half of that."""
KEPT_OF_LONG = 200
_PIECE = 1024 * 1024


class FileLine(NamedTuple):
    """A line without its break; `number` counts from 1. `is_cut` where it was longer than the limit."""

    number: int
    text: bytes
    is_cut: bool


def read_lines(file: BinaryIO, *, seen: Callable[[bytes], object], longest: int = LONGEST_LINE) -> Iterator[FileLine]:
    """Every line, the last one also where no break ends it; `seen` is told every piece of the file as it is read."""
    number, rest, cut = 0, b"", False
    while piece := file.read(_PIECE):
        seen(piece)
        *whole, rest = (rest + piece).split(b"\n")
        for text in whole:
            number += 1
            yield (
                FileLine(number, text[:KEPT_OF_LONG], True)
                if cut or len(text) > longest
                else FileLine(number, text, False)
            )
            cut = False
        if len(rest) > longest:
            rest, cut = rest[:KEPT_OF_LONG], True
        elif cut:
            rest = rest[:KEPT_OF_LONG]
    if rest or cut:
        yield FileLine(number + 1, rest[:KEPT_OF_LONG] if cut else rest, cut)
