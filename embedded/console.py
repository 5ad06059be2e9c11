"""What ./run says to the person who started it: progress lines, and one clear line when something is wrong."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path


class Trouble(Exception):
    """Something the reader can put right; its text is one clear line without secrets."""


class TransientTrouble(Trouble):
    """Trouble that may be gone when the same is tried again: a process that died, a server that broke off."""


class Console:
    """Writes progress to standard output, or to standard error where a command's own output must stand alone."""

    def __init__(self, *, to_stderr: bool = False, silent: bool = False) -> None:
        self._stream = sys.stderr if to_stderr else sys.stdout
        self._silent = silent

    def say(self, text: str = "") -> None:
        """Print a line. A closed terminal or pipe never stops what is being supervised."""
        if self._silent:
            return
        with contextlib.suppress(OSError, ValueError):
            print(text, file=self._stream, flush=True)


def complain(trouble: object) -> None:
    """Print the one clear line on standard error."""
    with contextlib.suppress(OSError, ValueError):
        print(f"slipway: {trouble}", file=sys.stderr, flush=True)


def last_lines(log: Path, count: int = 8) -> list[str]:
    """The last non-empty lines of a log (its last 16 KiB), oldest first; nothing where it cannot be read."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 16_384))
            text = stream.read().decode(errors="replace")
    except OSError:
        return []
    # Without a traceback: it stands in the log, and would make a screenful of one line here.
    return [line.partition(" exception=")[0] for line in text.splitlines() if line.strip()][-count:]
