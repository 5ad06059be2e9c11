"""Debian's Redis, which tests take for a broker in the place of Valkey."""

from __future__ import annotations

import shutil
from pathlib import Path

from embedded import apt
from embedded.console import Console


def find_redis() -> Path | None:
    """Its server's program on PATH."""
    found = shutil.which("redis-server")
    return Path(found) if found else None


def find_or_install_redis(console: Console) -> bool:
    """Whether it is there, by apt where we may install it. Its service is not started."""
    if find_redis():
        return True
    apt.install(console, ("redis-server",), "Installing Redis with apt-get for tests of brokers (once; seconds)")
    return find_redis() is not None
