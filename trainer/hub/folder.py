"""The folder that a download is in, and what of it is there by now."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trainer.durable import write_json
from trainer.hub.listing import ORIGIN, HubFile, Listing, Repository

Say = Callable[[str], None]

TELL_S = 2.0
TELL_SHARE = 0.05
"""Of all bytes: a line that says how far it is comes after so many more."""
CHUNK = 1024 * 1024
BEGUN = ".begun"


def note_origin(part: Path, repository: Repository, listing: Listing) -> None:
    """Note beside the files where they come from, and what each of them is."""
    told = {
        "endpoint": repository.endpoint,
        "repository": repository.name,
        "revision": repository.revision,
        "commit": listing.commit,
        "files": [asdict(each) for each in listing.files],
    }
    write_json(part / ORIGIN, told)


def keep_what_stays(part: Path, listing: Listing) -> None:
    """Remove what was begun of files that are others, or not there, in this listing: the revision may have moved."""
    files = _files_noted(part)
    before = {told.get("name"): told for told in files if isinstance(told, dict)}
    stay = {each.name for each in listing.files if before.get(each.name) == asdict(each)}
    for path in part.iterdir():
        name = path.name.removeprefix(".").removesuffix(BEGUN) if path.name.endswith(BEGUN) else path.name
        if path.is_file() and name not in stay and path.name != ORIGIN:
            path.unlink()


class Teller:
    """Says how far the download in a folder is, when that has gone on."""

    def __init__(self, part: Path, what: str, say: Say) -> None:
        self._part, self._what, self._say = part, what, say
        self._told, self._told_at = 0, time.monotonic()

    def look(self) -> None:
        total = _total(self._part)
        if not total or time.monotonic() - self._told_at < TELL_S:
            return
        done = min(total, bytes_in(self._part))
        if done - self._told >= TELL_SHARE * total:
            self._told, self._told_at = done, time.monotonic()
            self._say(f"{self._what}: {size_in_words(done, of=total)}")


def _files_noted(part: Path) -> list[Any]:
    """The files, as whoever began to download noted them; none before that."""
    try:
        return list(json.loads((part / ORIGIN).read_bytes())["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _total(part: Path) -> int:
    """Bytes of all files that were noted."""
    try:
        return sum(int(each["size"]) for each in _files_noted(part))
    except (ValueError, KeyError, TypeError):
        return 0


def bytes_in(part: Path) -> int:
    """Of all that was downloaded by now, the beginnings of files included."""
    found = 0
    for path in part.rglob("*"):
        with suppress(OSError):  # it was renamed just now
            if path.is_file() and path.name != ORIGIN:
                found += path.stat().st_size
    return found


def difference(path: Path, wanted: HubFile) -> str:
    """What tells the file from the one that is wanted, "" where nothing does."""
    size = path.stat().st_size
    if size != wanted.size:
        return f"{size:,} bytes instead of {wanted.size:,}"
    # git hashes a head before the bytes
    found = hashlib.sha256() if wanted.sha256 else hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    expected = wanted.sha256 or wanted.blob
    return "" if found.hexdigest() == expected else f"its {found.name} is {found.hexdigest()} instead of {expected}"


def size_in_words(size: int, *, of: int | None = None) -> str:
    """16.4 GB; with `of`, both in the unit of that: 12.1 of 16.4 GB."""
    largest = size if of is None else of
    factor, unit = next(
        ((f, u) for f, u in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")) if largest >= f), (1, "bytes")
    )
    digits = 1 if factor > 1 else 0
    told = f"{size / factor:.{digits}f}"
    return f"{told} {unit}" if of is None else f"{told} of {of / factor:.{digits}f} {unit}"
