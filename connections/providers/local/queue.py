"""Tickets: which attempts are not over, and in which order those wait that were not started.

A ticket is an empty file <root>/queue/<number>.<account>.<job>.<attempt>; its number gives the order. Every method
that changes anything wants the turn to be held. Anybody may read and append; who is started, and who is dead, is
trainer-host's to say (slots.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from connections.providers.attempts import Reference
from connections.providers.errors import Retryable
from connections.providers.trainer_files import files
from connections.providers.trainer_files.job_folders import JobFolders
from wire.names import is_id

TURN_SECONDS = 10.0


@dataclass(frozen=True)
class QueueState:
    """Who waits for a slot, the next one first; and of whom it is not known how it ended, or whether it did.

    `unreadable` are those of both whose files tell this release nothing, so that it goes on with none of them.
    `held_up` tells why nobody is started whatever is free, "" where somebody would be, and `gpus_held_up` why nobody
    who needs GPUs is; `away` that nobody is because trainer-host does not answer, so that nothing here is its word.
    """

    waiting: Sequence[Reference]
    unsettled: Sequence[Reference]
    unreadable: Sequence[Reference] = ()
    held_up: str = ""
    gpus_held_up: str = ""
    away: bool = False


@dataclass(frozen=True)
class Queue:
    """The attempts of one root that are not over."""

    folders: JobFolders

    @property
    def root(self) -> Path:
        """Of all files."""
        return self.folders.root

    @contextmanager
    def turn(self, within: float = TURN_SECONDS) -> Iterator[None]:
        """Be the only one who changes the queue. Errors: `Retryable` where another takes more seconds than that."""
        files.make_directory(self.root / "queue")
        with files.locked(self.root / "lock", within) as lock:
            if lock is None:
                raise Retryable("Another process is starting or stopping trainers here; this is tried again.")
            yield

    def directory(self, reference: Reference) -> Path:
        """Where an attempt lives, whether it exists or not. Errors: `Gone` for names that no attempt can have."""
        return self.folders.directory(reference)

    def holds(self, account: str, job: str) -> bool:
        """Whether an attempt of the job is not over."""
        return any((open_.account, open_.job) == (account, job) for open_ in self.references())

    def references(self) -> list[Reference]:
        """Every attempt that is not over, in order."""
        return [reference for _, reference in self.tickets() if not (self.directory(reference) / files.EXIT).exists()]

    def append(self, reference: Reference, part: Path) -> None:
        """Give the prepared directory its name and its place at the end. Ticket first: alone it is harmless."""
        tickets = self.tickets()
        number = int(tickets[-1][0].name.partition(".")[0]) + 1 if tickets else 1
        ticket = f"{number:012}.{reference.account}.{reference.job}.{reference.attempt}"
        (self.root / "queue" / ticket).touch(mode=0o600)
        files.sync_directory(self.root / "queue")
        directory = self.directory(reference)
        part.rename(directory)
        files.sync_directory(directory.parent)

    def without_host(self, why: str) -> QueueState:
        """What files and locks tell while nobody can be asked who is dead; `why` says why not."""
        places = {reference: self.directory(reference) for reference in self.references()}
        open_ = [(reference, directory) for reference, directory in places.items() if directory.is_dir()]
        waiting = [reference for reference, directory in open_ if not was_started(directory)]
        unknown = [
            reference
            for reference, directory in open_
            if was_started(directory) and not files.is_locked(directory / files.LOCK)
        ]
        return QueueState(waiting, unknown, held_up=why, away=True)

    def tickets(self) -> list[tuple[Path, Reference]]:
        """The tickets in order, each with whose it is."""
        if not (self.root / "queue").is_dir():
            return []
        paths = sorted((self.root / "queue").iterdir())
        return [(path, reference) for path in paths if (reference := _reference(path.name))]


def was_started(directory: Path) -> bool:
    """Whether the attempt had its slot."""
    return any((directory / name).exists() for name in (files.SPAWNED, files.WRAPPER))


def _reference(ticket: str) -> Reference | None:
    match ticket.split("."):
        case [_, account, job, attempt] if is_id(account) and is_id(job) and attempt.isdecimal():
            return Reference(account, job, int(attempt))
    return None
