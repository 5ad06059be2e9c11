"""Space that is kept for the time when the disk is full, so that what died then can come back: Postgres above all.

A Postgres that starts again needs a little of it before it answers, and pages are read from Postgres.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

RESERVE_BYTES = 64_000_000
PLENTY = 4
"""How much must be free, in reserves, before one is taken."""


class Reserve:
    """A file without meaning, of 64 MB."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def free_bytes(self) -> int:
        """What is free on its disk beside it."""
        disk = os.statvfs(self._path.parent)
        return disk.f_bavail * disk.f_frsize

    def keep(self) -> None:
        """Take the space, where there is none taken and plenty is free."""
        if self._path.exists() or self.free_bytes() < PLENTY * RESERVE_BYTES:
            return
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            finally:
                os.close(descriptor)
        except OSError:
            self._path.unlink(missing_ok=True)

    def release(self) -> bool:
        """Give it back where the disk is full; whether it was."""
        if not self._path.exists() or self.free_bytes() >= RESERVE_BYTES:
            return False
        with contextlib.suppress(OSError):
            self._path.unlink()
            return True
        return False
