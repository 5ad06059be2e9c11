"""`Content-Range` of a piece that is sent: which bytes it is, of a file of how many. Source: RFC 9110, section 14.4."""

from __future__ import annotations

import re
from typing import NamedTuple

from wire.errors import InvalidArgument, Violation

HEADER = "Content-Range"
_FORM = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})")


class Piece(NamedTuple):
    """Bytes from `start` on, `length` of them, of a file of `total`."""

    start: int
    length: int
    total: int


def read_piece(content_range: str, content_length: str) -> Piece:
    """What the headers say; without `Content-Range` the body is the whole file.

    Errors: `InvalidArgument` where they say nothing that can be, or different things.
    """
    announced = int(content_length) if content_length.isdigit() and len(content_length) < 16 else None
    if not content_range:
        if announced is None:
            raise _wrong("Content-Length", "It is missing. Send the number of bytes of the body.")
        return Piece(0, announced, announced)
    found = _FORM.fullmatch(content_range.strip())
    first, last, total = map(int, found.groups()) if found else (0, -1, 0)
    if not first <= last < total:
        raise _wrong(HEADER, f"{content_range[:60]!r} is no range of bytes. Send such as 'bytes 0-8388607/20000000'.")
    if announced not in (None, last - first + 1):
        sentence = f"It says {last - first + 1:,} bytes, and the body has {announced:,}. Let them be the same."
        raise _wrong(HEADER, sentence)
    return Piece(first, last - first + 1, total)


def _wrong(header: str, sentence: str) -> InvalidArgument:
    return InvalidArgument([Violation(header, sentence)])
