"""A large file of this machine on its way to trainers, in steps: a copy that breaks off is gone on with."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from connections.providers.errors import NotYet
from connections.providers.trainer_files import files

CHUNK = 4 * 1024 * 1024
STEP_SECONDS = 20.0
"""After which a submission says how far a copy is, and is asked again."""
_COPIED = ".copied"
_MEGABYTE = 1_000_000


def go_on_copying(source: Path, copy: Path, *, deadline: float, told: Callable[[int], str]) -> None:
    """Write what is missing beside the copy, which gets its name when it is whole.

    Past the deadline, of the monotonic clock, it says how far it is: `told` makes a sentence of the bytes so far.
    Errors: `NotYet`, `OSError`.
    """
    beside = beside_of(copy)
    with source.open("rb") as original, beside.open("ab") as written:
        original.seek(written.tell())
        done = written.tell()
        while chunk := original.read(CHUNK):
            written.write(chunk)
            done += len(chunk)
            if time.monotonic() > deadline:
                raise NotYet(told(done))
        files.sync_file(written)
    beside.replace(copy)


def beside_of(copy: Path) -> Path:
    """Where the copy lies until it is whole."""
    return copy.with_name(f"{copy.name}{_COPIED}")


def how_far(done: int, total: int) -> str:
    """`4 of 9 MB`."""
    return f"{done // _MEGABYTE:,} of {total // _MEGABYTE:,} MB"
