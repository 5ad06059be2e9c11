"""Directories below which members may take files as datasets, as a connection's configuration says them.

A superuser names them, and whatever lies below may be taken by every launcher who may use the connection: so nothing
below is opened through a link. They are looked for on the machine of the worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from connections.providers.configs import setting
from connections.providers.trainer_files.reading import LocalFolder, open_trusted

EXAMPLE = "/srv/datasets"
MOST = 20


def read_data_directories(written: str) -> str:
    """Lines of whole paths, as they are kept. Errors: `ValueError` for the first line that is none."""
    found: dict[str, None] = {}
    for line in filter(None, map(str.strip, written.splitlines())):
        path = PurePosixPath(line)
        if not path.is_absolute() or ".." in path.parts or len(path.parts) < 2 or "\0" in line:
            raise ValueError(f"{line[:100]!r} is no whole path of a directory, such as {EXAMPLE}")
        found[str(path)] = None
    if len(found) > MOST:
        raise ValueError(f"{len(found)} directories are too many; {MOST} is the limit")
    return "\n".join(found)


def data_directories_setting() -> Any:
    """The field of a kind's dataclass."""
    return setting(
        "Datasets",
        "Directories, one a line, below which every launcher who may use this connection can take a file as a dataset, "
        "whatever lies there. They are those of the machine that the worker runs on; no link below is followed.",
        read=read_data_directories,
        placeholder=EXAMPLE,
        is_long=True,
    )


def directory_of(path: str, directories: Sequence[str]) -> str:
    """The directory below which the path lies, as it is written; "" where it lies below none, or may leave it."""
    parts = PurePosixPath(path).parts
    if ".." in parts or "\0" in path:
        return ""
    above = [each for each in directories if PurePosixPath(each) in PurePosixPath(path).parents]
    return max(above, key=len, default="")


def open_below(directory: str, path: str) -> BinaryIO:
    """The regular file, through no link below the directory. Errors: `FileNotFoundError`, `OSError`."""
    *between, name = PurePosixPath(path).relative_to(directory).parts
    folder: LocalFolder = open_trusted(Path(directory))
    for part in between:
        with closing(folder):
            folder = folder.below(part)
    with closing(folder):
        return folder.open(name)
