"""Where the files of datasets lie: below SLIPWAY_HOME, named by nothing that anybody typed.

    datasets/uploads/UID        a file that is not whole, or was not checked
    datasets/uploads/UID.LEASE  a copy that a worker makes: of two that hold the row in turn each writes its own
    datasets/files/UID.jsonl    a file that was checked, and is never written again

What lies here follows the rows: a file without a row, or of a row that is over, is tidied away. Every write is on the
disk before its row says so, so a machine that goes down in between costs what was sent last and nothing else.
"""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from django.conf import settings

from wire.errors import ResourceExhausted

_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW
_PIECE = 256 * 1024
_MEGABYTE = 1_000_000


class PieceSource(Protocol):
    """What bytes come from."""

    def read(self, size: int, /) -> bytes:
        """At most so many; none at the end."""


def file_of(uid: uuid.UUID) -> Path:
    """The path of a READY dataset's file on this machine, which only Slipway's own user may read."""
    return _folder("files") / f"{uid.hex}.jsonl"


def write_piece(
    uid: uuid.UUID, source: PieceSource, *, start: int, length: int, lease: uuid.UUID | None = None
) -> None:
    """Write `length` bytes of the source at that place of the upload, and wait until the disk has them.

    Of the copy of that lease, where one is named. Errors: `ResourceExhausted` where there is no room, `EOFError` where
    the source ends before.
    """
    _require_room(length)
    with _no_room_in_words():
        target = os.open(_copy(uid, lease) if lease else _upload(uid), os.O_WRONLY | os.O_CREAT | _FLAGS, 0o600)
        try:
            at, end = start, start + length
            while at < end:
                piece = source.read(min(_PIECE, end - at))
                if not piece:
                    raise EOFError
                at += _write(target, piece, at)
            os.ftruncate(target, end)
            os.fsync(target)
        finally:
            os.close(target)
        if not start:
            _sync_folder(_folder("uploads"))


def take_copy(uid: uuid.UUID, lease: uuid.UUID) -> None:
    """Make the lease's copy, which is whole, the upload. The caller holds the row. Errors: `OSError`."""
    _copy(uid, lease).replace(_upload(uid))
    _sync_folder(_folder("uploads"))


def remove_copies(uid: uuid.UUID, lease: uuid.UUID | None = None) -> None:
    """Remove the copy of that lease; where none is named, of all leases: nobody else may hold the row then."""
    for path in [_copy(uid, lease)] if lease else _folder("uploads").glob(f"{uid.hex}.*"):
        path.unlink(missing_ok=True)


def open_file(uid: uuid.UUID) -> BinaryIO:
    """Its bytes, whether they were checked before or not. Errors: `FileNotFoundError`."""
    for path in (file_of(uid), _upload(uid)):
        try:
            return os.fdopen(os.open(path, os.O_RDONLY | _FLAGS), "rb")
        except FileNotFoundError:
            continue
    raise FileNotFoundError(errno.ENOENT, "There is no file of this dataset", uid.hex)


def keep_file(uid: uuid.UUID) -> None:
    """Move an upload that was checked to where it stays; nothing where that was done before."""
    if not file_of(uid).exists():
        _upload(uid).replace(file_of(uid))
        file_of(uid).chmod(0o400)
        _sync_folder(_folder("files"))
        _sync_folder(_folder("uploads"))


def remove_file(uid: uuid.UUID) -> None:
    """Remove whatever there is of it."""
    remove_copies(uid)
    for path in (file_of(uid), _upload(uid)):
        path.unlink(missing_ok=True)


def stored() -> Iterator[uuid.UUID]:
    """Of which datasets something lies here."""
    for folder in (_folder("files"), _folder("uploads")):
        for path in folder.iterdir():
            try:
                yield uuid.UUID(hex=path.name.partition(".")[0])
            except ValueError:
                continue  # nothing of ours


def _write(target: int, piece: bytes, at: int) -> int:
    left = memoryview(piece)
    while left:
        written = os.pwrite(target, left, at)
        left, at = left[written:], at + written
    return len(piece)


def _upload(uid: uuid.UUID) -> Path:
    return _folder("uploads") / uid.hex


def _copy(uid: uuid.UUID, lease: uuid.UUID) -> Path:
    return _folder("uploads") / f"{uid.hex}.{lease.hex}"


def _folder(name: str) -> Path:
    folder: Path = settings.SLIPWAY_HOME / "datasets" / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _sync_folder(folder: Path) -> None:
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(held)
    finally:
        os.close(held)


def _require_room(length: int) -> None:
    disk = os.statvfs(_folder("uploads"))
    free, least = disk.f_bavail * disk.f_frsize, settings.SLIPWAY_LEAST_FREE_MB * _MEGABYTE
    if free - length < least:
        raise _no_room()


def _no_room() -> ResourceExhausted:
    return ResourceExhausted(
        f"Slipway's disk is nearly full: no upload is taken that leaves less than {settings.SLIPWAY_LEAST_FREE_MB:,} "
        "MB free (SLIPWAY_LEAST_FREE_MB). Free some space, then go on with it.",
        reason="DISK_SPACE",
    )


@contextmanager
def _no_room_in_words() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room() from None
        raise
