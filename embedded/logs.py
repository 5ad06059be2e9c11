"""The log files of ./run, bounded in size and number.

Who writes one holds it open for as long as it lives, and none of them can be told to open another. So a log that has
grown is copied and emptied while it is written; every writer appends, so it goes on at the new end.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from embedded.console import Trouble

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class LogBounds:
    """How large a log grows before it is set aside, in bytes, and how many older files of it are kept."""

    size: int
    files: int

    @classmethod
    def from_environment(cls) -> LogBounds:
        """SLIPWAY_LOG_MB and SLIPWAY_LOG_FILES. Raises Trouble where one is no whole number of at least 1."""
        return cls(_number("SLIPWAY_LOG_MB", 10) * MEGABYTE, _number("SLIPWAY_LOG_FILES", 3))


def rotate(folder: Path, bounds: LogBounds) -> None:
    """Set aside every log that is too large. Where the disk is full it stays as it is until the next time."""
    for log in folder.glob("*.log"):
        with contextlib.suppress(OSError):
            if log.stat().st_size > bounds.size:
                _set_aside(log, bounds.files)


def _set_aside(log: Path, files: int) -> None:
    copy = log.with_suffix(".log.new")
    try:
        with log.open("rb") as old, copy.open("wb") as new:
            shutil.copyfileobj(old, new, MEGABYTE)
            os.truncate(log, 0)
    except OSError:
        copy.unlink(missing_ok=True)
        raise
    for number in range(files - 1, 0, -1):
        with contextlib.suppress(FileNotFoundError):
            _older(log, number).replace(_older(log, number + 1))
    copy.replace(_older(log, 1))


def _older(log: Path, number: int) -> Path:
    """web.log.1 is younger than web.log.2."""
    return log.with_suffix(f".log.{number}")


def _number(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise Trouble(f"{name}={text} cannot be used: use a whole number of at least 1.")
    return int(text)
