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
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

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
    folder = open_folder(path.parent, links_from=DEPTH - 1)
    try:
        return open_beneath(folder, path.name)
    finally:
        os.close(folder)


def open_folder(path: Path, links_from: int = DEPTH - 1) -> int:
    """A descriptor of the folder, the last `links_from` components of whose path are no links. Errors: as above."""
    trusted = path.parents[min(links_from, len(path.parents)) - 1]
    with _words():
        folder = os.open(trusted, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for name in path.relative_to(trusted).parts:
            try:
                below = os.open(name, _FOLDER, dir_fd=folder)
            finally:
                os.close(folder)
            folder = below
        return folder


def open_folder_beneath(folder: int, name: str) -> int:
    """A descriptor of the folder of that name in an open folder, which is no link. Errors: as above."""
    with _words():
        return os.open(name, _FOLDER, dir_fd=folder)


def open_beneath(folder: int, name: str) -> BinaryIO:
    """The regular file of that name in an open folder. Errors: `NoRegularFile`, `FileNotFoundError`, `OSError`."""
    with _words():
        descriptor = os.open(name, _FILE, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NoRegularFile(errno.ENOENT, "It is no regular file", name)
    return os.fdopen(descriptor, "rb")


def size_of(file: BinaryIO) -> int:
    """The bytes of an open file."""
    return os.fstat(file.fileno()).st_size


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
