"""Have a model of a hub in a directory, whole."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from trainer.durable import sync_path, sync_tree
from trainer.hub.client import LOOK_S, Hub
from trainer.hub.folder import Say, Teller, bytes_in, keep_what_stays, note_origin, size_in_words
from trainer.hub.listing import CONFIG, INDEX, ORIGIN, SINGLE, HubError, Listing, Repository, check_index

PAUSES_S = (5.0, 15.0, 60.0, 120.0)
"""Before a hub that does not answer is asked again; from the first one on after each one in which bytes came."""
MOST_INDEX = 100_000_000
"""Bytes of an index that are read."""


def bring(
    repository: Repository, directory: Path, *, keep_free: int, say: Say, pauses: Sequence[float] = PAUSES_S
) -> None:
    """Have the model in the directory, whole, which another process may be seeing to already: then wait for that.

    keep_free: bytes of the disk that are not for it. `say` gets lines for a person. Raises HubError, OSError.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    part = directory.with_name(f".part-{directory.name}")
    with _alone(directory, part, repository, say):
        if (directory / CONFIG).is_file():
            return
        began = time.monotonic()
        hub = Hub(repository, say, pauses)
        listing = hub.patiently(hub.list_files)
        size = size_in_words(listing.total)
        say(
            f"Downloading {repository.name} ({listing.commit[:12]}) from {repository.endpoint}: "
            f"{len(listing.files)} files, {size}"
        )
        part.mkdir(exist_ok=True)
        keep_what_stays(part, listing)
        note_origin(part, repository, listing)
        _check_space(repository, listing, part, keep_free)
        _check_weights(hub, repository, listing, part)
        hub.download(listing.files, part, listing.commit)
        for path in part.iterdir():  # of another commit, and what the library leaves
            if path.name not in {ORIGIN, *(each.name for each in listing.files)}:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        sync_tree(part)
        part.rename(directory)
        sync_path(directory.parent)
        say(f"Downloaded {repository.name}: {size}, each file checked, in {time.monotonic() - began:.0f} s")


@contextmanager
def _alone(directory: Path, part: Path, repository: Repository, say: Say) -> Iterator[None]:
    """Be the one who downloads it, once whoever does so has ended."""
    with directory.with_name(f".{directory.name}.lock").open("w", encoding="utf-8") as lock:
        told = None
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if told is None:
                say(f"Waiting for {repository.name}, which another launch downloads")
                told = Teller(part, f"Another launch downloads {repository.name}", say)
            told.look()
            time.sleep(LOOK_S)
        yield


def _check_space(repository: Repository, listing: Listing, part: Path, keep_free: int) -> None:
    needed, free = listing.total - bytes_in(part), shutil.disk_usage(part).free - keep_free
    if needed > free:
        raise HubError(
            f"There is no space for {repository.name}: {size_in_words(needed)} more are needed, "
            f"{size_in_words(max(0, free))} are free at {part.parent}. Free some, and launch again."
        )


def _check_weights(hub: Hub, repository: Repository, listing: Listing, part: Path) -> None:
    """Have the index first where the weights have one: what it names has to be listed. Raises HubError."""
    files = {each.name: each for each in listing.files}
    if SINGLE in files:  # which is loaded, whatever lies beside it
        return
    if (size := files[INDEX].size) > MOST_INDEX:
        raise HubError(f"{INDEX} of {repository.page} has {size:,} bytes; {MOST_INDEX:,} is the limit.")
    hub.download((files[INDEX],), part, listing.commit)
    check_index(repository, listing, (part / INDEX).read_bytes())
