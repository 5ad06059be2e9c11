"""A path of another machine: what reading.py, files.py and checkpoints.py ask of it instead of this machine's kernel.

It is a `Path` in all that is said of names, and in those methods that its kind has; what goes to the kernel by another
way is refused, so that nothing here is taken for what lies there. Standard library only, as files.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path, PosixPath
from typing import BinaryIO, Protocol


class OpenFolder(Protocol):
    """An open folder, none of whose names is followed where it is a link."""

    def names(self, most: int) -> list[str]:
        """What is in it, at most so many. Errors: `OSError`."""

    def state(self) -> tuple[tuple[int, ...], float] | None:
        """What stays the same while its names do, and since when (Unix time); None where nobody can tell."""

    def below(self, name: str) -> OpenFolder:
        """The folder of that name in it. Errors: `NoRegularFile`, `FileNotFoundError`, `OSError`."""

    def open(self, name: str) -> BinaryIO:
        """The regular file of that name in it, for reading. Errors: as `below`."""

    def rename(self, name: str, target: Path) -> None:
        """Give what has that name another one elsewhere. Errors: as `below`."""

    def close(self) -> None:
        """Let go of it."""


class FarPath(PosixPath, ABC):
    """A path on another machine."""

    def __fspath__(self) -> str:
        raise TypeError(f"{self} is on another machine.")

    @abstractmethod
    def open_regular(self) -> BinaryIO:
        """As `reading.open_regular`."""

    @abstractmethod
    def open_folder(self) -> OpenFolder:
        """As `reading.open_folder`."""

    @abstractmethod
    def replace_with(self, content: bytes, *, room: Path | None = None) -> None:
        """As `files.write_text`: whole or absent, out of `room` where that was made. Errors: `OSError`."""

    @abstractmethod
    def remove_tree(self) -> None:
        """Remove it with all that is in it; what stays, stays."""

    @abstractmethod
    def locked(self, seconds: float) -> AbstractContextManager[object | None]:
        """As `files.locked`."""
