"""Which files other users can reach, and how a trainer is let through to what lies below a closed folder.

The permissions of folders above ours are never changed. Instead the wrapper, in a mount namespace of its own (Linux,
and root must be allowed to have one), covers a closed folder such as /root with an empty one, in which only what the
trainer needs is shown. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import stat
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

CLONE_NEWNS = 0x00020000
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
PASSED_BY_ALL = 0o711


def closed_parent(path: Path) -> Path | None:
    """The first folder above the path that other users cannot pass through; None where they can."""
    parents = reversed(path.resolve().parents)
    return next((folder for folder in parents if folder.exists() and not folder.stat().st_mode & stat.S_IXOTH), None)


def closed_to_others(path: Path) -> Path | None:
    """What keeps other users from the file or folder: a folder above it, unless those can be covered, or itself."""
    closed = closed_parent(path)
    if (closed and not can_cover()) or not path.exists():
        return closed
    mode = path.stat().st_mode
    wanted = stat.S_IROTH | stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH
    return None if mode & wanted == wanted else path


@cache
def can_cover() -> bool:
    """Whether this machine lets us mount anything in a namespace of our own; a process of its own tries."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return False
    command = [sys.executable, "-P", str(Path(__file__).resolve())]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def let_through(paths: Iterable[Path]) -> None:
    """From now on, for this process and its children, let other users through to the paths. Errors: `OSError`."""
    resolved = {path.resolve() for path in paths if path.exists()}
    if not any(map(closed_parent, resolved)):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise _last_error("unshare")
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    opened = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in sorted(resolved)}
    for path in opened:
        while closed := closed_parent(path):
            _cover(closed, {inner: found for inner, found in opened.items() if closed in inner.parents})
    for descriptor in opened.values():
        os.close(descriptor)


def _cover(folder: Path, shown: dict[Path, int]) -> None:
    """Cover the folder with an empty one that shows these paths only, each found by its descriptor."""
    _mount("tmpfs", str(folder), "tmpfs", MS_NOSUID | MS_NODEV, f"mode={PASSED_BY_ALL:o},size=1m")
    for path, descriptor in shown.items():
        if path.exists():  # in another one that is shown
            continue
        for parent in reversed(path.parents):
            if not parent.exists():
                parent.mkdir()
                parent.chmod(PASSED_BY_ALL)
        path.mkdir() if stat.S_ISDIR(os.fstat(descriptor).st_mode) else path.touch()
        _mount(f"/proc/self/fd/{descriptor}", str(path), None, MS_BIND | MS_REC)


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    texts = [text.encode() if text is not None else None for text in (source, target, kind, options)]
    source_, target_, kind_, options_ = texts
    if libc.mount(source_, target_, kind_, ctypes.c_ulong(flags), options_) != 0:
        raise _last_error(target)


def _last_error(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), what)


def _try() -> None:
    if ctypes.CDLL(None).unshare(CLONE_NEWNS) != 0:
        raise _last_error("unshare")
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    _mount("tmpfs", "/mnt" if Path("/mnt").is_dir() else "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=64k")  # noqa: S108


if __name__ == "__main__":
    _try()
