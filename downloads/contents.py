"""What is downloaded: a run of bytes whose length is known, that can be read from any place on without holding it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from wire.errors import FailedPrecondition, NotFound, Unavailable

CHUNK_BYTES = 128 * 1024
"""What is held of a file at a time."""


class AlteredFile(Exception):
    """A file is not as it was recorded, or no longer there; the message says which and how."""


def is_plain_path(path: str) -> bool:
    """Whether it leads to something below a folder, by printable names, wherever the folder is."""
    names = path.split("/")
    return path.isprintable() and "\\" not in path and ":" not in path and not {"", ".", ".."}.intersection(names)


@contextmanager
def files_in_words(name: str) -> Iterator[None]:
    """What may go wrong with the files of `name` until the first byte is sent, as refusals."""
    try:
        yield
    except AlteredFile as error:
        raise FailedPrecondition(f"{name} is not as it was saved, so nothing of it is sent: {error}") from None
    except FileNotFoundError:
        raise NotFound(f"{name} is not where it was saved any more: A file of it is gone.") from None
    except OSError as error:  # whose own words name folders of the machine
        raise Unavailable(f"{name} cannot be read now: {error.strerror or 'the disk failed'}.") from None


@dataclass(frozen=True)
class StoredFile:
    """A file as it was recorded: `open` gives its bytes, which are compared with that. `sha256` in hex."""

    path: str
    size_bytes: int
    sha256: str
    open: Callable[[], BinaryIO]

    def __post_init__(self) -> None:
        """Errors: `AlteredFile` for a path that does not stay below the folder that the file is of."""
        if not is_plain_path(self.path):
            raise AlteredFile(f"{self.path[:200]!r} is no path below a folder, so that file is left where it is.")

    def check(self) -> None:
        """Look whether it is there in its recorded length. Errors: `AlteredFile`, and those of `open`."""
        self._opened().close()

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from start to before stop. Of a whole file the last ones come only where the digest is right.

        Errors: `AlteredFile`, and those of `open`.
        """
        whole = (start, stop) == (0, self.size_bytes)
        seen = hashlib.sha256()
        with self._opened() as file:
            file.seek(start)
            held, left = b"", stop - start
            while left:
                chunk = file.read(min(left, CHUNK_BYTES))
                if not chunk:
                    raise AlteredFile(f"{self.path} ended {left:,} bytes early.")
                left -= len(chunk)
                if whole:
                    seen.update(chunk)
                if held:
                    yield held
                held = chunk
            if whole and seen.hexdigest() != self.sha256:
                raise AlteredFile(f"{self.path} does not have the bytes that were recorded of it.")
            if held:
                yield held

    def _opened(self) -> BinaryIO:
        file = self.open()
        try:
            size = file.seek(0, os.SEEK_END)
            if size != self.size_bytes:
                raise AlteredFile(f"{self.path} has {size:,} bytes; {self.size_bytes:,} were recorded.")
        except BaseException:
            file.close()
            raise
        return file


@dataclass(frozen=True)
class Download:
    """One thing to download: its parts in order, the name that it is kept under, and an entity tag, in quotes."""

    file_name: str
    parts: tuple[bytes | StoredFile, ...]
    etag: str

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(map(length_of, self.parts))

    def check(self, start: int, stop: int) -> None:
        """Look at the files that hold the bytes from start to before stop. Errors: as of `StoredFile.check`."""
        for part, _, _ in self._within(start, stop):
            if isinstance(part, StoredFile):
                part.check()

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from start to before stop, in pieces. Errors: as of `StoredFile.chunks`."""
        for part, first, last in self._within(start, stop):
            if isinstance(part, StoredFile):
                yield from part.chunks(first, last)
            else:
                yield part[first:last]

    def _within(self, start: int, stop: int) -> Iterator[tuple[bytes | StoredFile, int, int]]:
        """The parts that overlap, each with its own first and last place; of nothing there is no part."""
        at = 0
        for part in self.parts:
            first, last = max(start - at, 0), min(stop - at, length_of(part))
            if first < last:
                yield part, first, last
            at += length_of(part)


def length_of(part: bytes | StoredFile) -> int:
    """In bytes."""
    return part.size_bytes if isinstance(part, StoredFile) else len(part)


def file_download(file: StoredFile) -> Download:
    """One file under its own name; its entity tag is its digest."""
    return Download(file.path.rpartition("/")[2], (file,), f'"{file.sha256}"')
