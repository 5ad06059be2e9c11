"""The folder where the processes of one web server count together, which is gone once the server is.

The library that counts looks once, when it is loaded, whether PROMETHEUS_MULTIPROC_DIR names one. So it is named before
anything is loaded (`choose_folder`), and made by the process that the others are forked off (`held_folder`).
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
PREFIX = "slipway-metrics-"
LOCK = "lock"
"""Held by the server and all its processes for as long as one of them lives."""


def choose_folder() -> None:
    """Name one that nobody else can know, unless the environment names one already."""
    os.environ.setdefault(FOLDER, str(Path(tempfile.gettempdir()) / f"{PREFIX}{secrets.token_hex(8)}"))


@contextmanager
def held_folder() -> Iterator[None]:
    """Make the folder, empty, and remove it afterwards; first those that servers left which were killed."""
    folder = Path(os.environ[FOLDER])
    if not folder.name.startswith(PREFIX):
        yield  # named by whoever started us, who looks after it
        return
    for left in folder.parent.glob(f"{PREFIX}*"):
        _remove_left(left)
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        try:
            yield
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_left(folder: Path) -> None:
    """Remove a folder of ours that no server holds."""
    with suppress(OSError):
        if folder.lstat().st_uid != os.getuid():
            return
        with (folder / LOCK).open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
