"""Keys that this Slipway makes for itself, once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path


def kept_key(home: Path, name: str, make: Callable[[], str]) -> str:
    """A key that is made once and kept in `home` under that name, readable by the owner only."""
    path = home / name
    home.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{name}.{os.getpid()}")
    if not path.exists():
        part.touch(mode=0o600)
        part.write_text(make())
        with contextlib.suppress(FileExistsError):
            os.link(part, path)  # link, not rename: of two processes that start together the first one's key stays
        part.unlink()
    return path.read_text()
