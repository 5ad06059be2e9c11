"""Read what a trainer may have written: hostile until it is read.

Only regular files are opened, and none through a link: a trainer may put a FIFO, a device, a socket or a link to
somebody else's folder in the place of any file or folder of its job. Nothing here waits, and nothing is read without a
limit. Standard library only, because the wrapper shall start fast.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from connections.providers.trainer_files.far import FarPath, OpenFolder

DEPTH = 6
"""Components of a file's path below <root>/jobs: account, job, attempts, number, records, file. None is ever a link."""
LARGEST_JSON = 256 * 1024
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# What the kernel says of links, sockets, devices without a driver, and folders where a file should be or the reverse.
_IRREGULAR = {errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.ENODEV, errno.ENOTDIR, errno.EISDIR}


class NoRegularFile(FileNotFoundError):
    """There is something under that name which is no regular file, so there is nothing to read."""


def open_regular(path: Path) -> BinaryIO:
    """The file, open for reading. Errors: `NoRegularFile`, `FileNotFoundError`, `OSError`."""
    if isinstance(path, FarPath):
        return path.open_regular()
    with closing(open_folder(path.parent)) as folder:
        return folder.open(path.name)


def open_folder(path: Path) -> OpenFolder:
    """The folder, of whose path no component that a trainer can have made is a link. Errors: as above."""
    if isinstance(path, FarPath):
        return path.open_folder()
    trusted = path.parents[min(DEPTH - 1, len(path.parents)) - 1]
    folder = open_trusted(trusted)
    for name in path.relative_to(trusted).parts:
        with closing(folder):
            folder = folder.below(name)
    return folder


def open_trusted(path: Path) -> LocalFolder:
    """The folder, links on the way to it followed. Errors: as above."""
    with _words():
        return LocalFolder(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))


class LocalFolder:
    """An `OpenFolder` of this machine."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def names(self, most: int) -> list[str]:
        """What is in it, at most so many."""
        with os.scandir(self._descriptor) as entries:
            return [entry.name for entry in islice(entries, most)]

    def state(self) -> tuple[tuple[int, ...], float]:
        """Device, inode and the time that nobody can set."""
        about = os.fstat(self._descriptor)
        return (about.st_dev, about.st_ino, about.st_ctime_ns), about.st_ctime

    def below(self, name: str) -> LocalFolder:
        """The folder of that name in it, which is no link. Errors: `NoRegularFile`, `FileNotFoundError`, `OSError`."""
        with _words():
            return LocalFolder(os.open(name, _FOLDER, dir_fd=self._descriptor))

    def open(self, name: str) -> BinaryIO:
        """The regular file of that name in it. Errors: as `below`."""
        with _words():
            descriptor = os.open(name, _FILE, dir_fd=self._descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise NoRegularFile(errno.ENOENT, "It is no regular file", name)
        return os.fdopen(descriptor, "rb")

    def rename(self, name: str, target: Path) -> None:
        """Give what has that name another one elsewhere. Errors: `OSError`."""
        os.rename(name, target, src_dir_fd=self._descriptor)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


def size_of(file: BinaryIO) -> int:
    """The bytes of an open file, which is then at its end."""
    return file.seek(0, os.SEEK_END)


def read_object(file: BinaryIO) -> dict[str, Any] | None:
    """The JSON object that the file holds; None where it holds none, or more than 256 KiB."""
    content = file.read(LARGEST_JSON + 1)
    return as_object(content) if len(content) <= LARGEST_JSON else None


def as_object(content: bytes) -> dict[str, Any] | None:
    """The JSON object; None for anything else, however deep or long its parts."""
    with suppress(ValueError, RecursionError):
        value = json.loads(content)
        if isinstance(value, dict):
            return value
    return None


class _words:
    """Say `NoRegularFile` where the kernel says by one of many numbers that a name is no file or no folder."""

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError) and error.errno in _IRREGULAR:
            raise NoRegularFile(errno.ENOENT, "It is no regular file", error.filename) from error
