"""Tickets and slots: which attempts are not over, which run, which is next; and the one place that moves them on.

A ticket is an empty file <root>/queue/<number>.<account>.<job>.<attempt>; its number gives the order. Every method
that changes anything wants the turn to be held.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path

from connections.providers.base import Reference, Retryable
from connections.providers.local import processes
from connections.providers.trainer_files import files, outcome
from connections.providers.trainer_files.job_folders import JobFolders
from wire.names import is_id

TURN_SECONDS = 10.0
HOLD_SECONDS = 10.0
log = logging.getLogger(__name__)


class AttemptStage(Enum):
    """Where an attempt stands, from its files and its lock."""

    WAITING = auto()
    LIVE = auto()
    DEAD = auto()  # nothing of it will write how it ended
    OVER = auto()


@dataclass(frozen=True)
class QueueState:
    """Who waits for a slot, the next one first; and who is dead without a word that could be written down."""

    waiting: Sequence[Reference]
    unsettled: Sequence[Reference]


@dataclass(frozen=True)
class Queue:
    """The attempts of one provider's root that are not over."""

    folders: JobFolders
    slots: int
    start: Callable[[Path], int]

    @property
    def root(self) -> Path:
        """Of all files."""
        return self.folders.root

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Be the only one who changes the queue. Errors: `Retryable` where another takes too long."""
        files.make_directory(self.root / "queue")
        with files.locked(self.root / "lock", TURN_SECONDS) as lock:
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
        return [reference for _, reference in self._tickets() if not (self.directory(reference) / files.EXIT).exists()]

    def append(self, reference: Reference, part: Path) -> None:
        """Give the prepared directory its name and its place at the end. Ticket first: alone it is harmless."""
        tickets = self._tickets()
        number = int(tickets[-1][0].name.partition(".")[0]) + 1 if tickets else 1
        ticket = f"{number:012}.{reference.account}.{reference.job}.{reference.attempt}"
        (self.root / "queue" / ticket).touch(mode=0o600)
        files.sync_directory(self.root / "queue")
        directory = self.directory(reference)
        part.rename(directory)
        files.sync_directory(directory.parent)

    def advance(self) -> QueueState:
        """Settle what died, start what has a slot, and say how the others stand."""
        stages = {reference: self._settled(self.directory(reference), ticket) for ticket, reference in self._tickets()}
        waiting = [reference for reference, stage in stages.items() if stage is AttemptStage.WAITING]
        free = self.slots - sum(stage is AttemptStage.LIVE for stage in stages.values())
        while waiting and free > 0 and not self._is_held() and self._start(self.directory(waiting[0])):
            waiting.pop(0)
            free -= 1
        return QueueState(waiting, [reference for reference, stage in stages.items() if stage is AttemptStage.DEAD])

    def hold(self) -> None:
        """Start nothing for a while: the host stops, and whoever still observes must not fill the slots again."""
        with suppress(OSError):  # a full disk: then no new trainer gets far either
            (self.root / "held").touch(mode=0o600)

    def _is_held(self) -> bool:
        try:
            return 0 <= time.time() - (self.root / "held").stat().st_mtime < HOLD_SECONDS
        except FileNotFoundError:
            return False

    def live(self) -> list[Reference]:
        """The attempts that run."""
        references = [reference for _, reference in self._tickets()]
        return [reference for reference in references if stage_of(self.directory(reference)) is AttemptStage.LIVE]

    def _settled(self, directory: Path, ticket: Path) -> AttemptStage:
        """The stage of an attempt, after its end was written down where that was due."""
        if not directory.is_dir():
            ticket.unlink(missing_ok=True)
            return AttemptStage.OVER
        try:
            stage = stage_of(directory)
            if stage is AttemptStage.DEAD or (stage is AttemptStage.WAITING and is_unwanted(directory)):
                stage = settle(directory)
            if stage is AttemptStage.OVER:
                ticket.unlink(missing_ok=True)
            return stage
        except OSError as error:  # a full disk must not keep the others from being observed
            log.warning("could not settle %s: %s", directory, error)
            return AttemptStage.DEAD

    def _start(self, directory: Path) -> bool:
        """Start a wrapper and note that. If we die between the two, a second wrapper finds the first one's lock."""
        try:
            pid = self.start(directory)
            spawned = {"pid": pid, "identity": processes.identity(pid), "boot": processes.boot_identity()}
            files.write_json(directory / files.SPAWNED, spawned)
        except (OSError, Retryable) as error:
            log.warning("could not start %s: %s", directory, error)
            return False
        return True

    def _tickets(self) -> list[tuple[Path, Reference]]:
        if not (self.root / "queue").is_dir():
            return []
        paths = sorted((self.root / "queue").iterdir())
        return [(path, reference) for path in paths if (reference := _reference(path.name))]


def stage_of(directory: Path) -> AttemptStage:
    """Where the attempt stands. The order of the looks matters: its wrapper may take any step between two of them."""
    if (directory / files.EXIT).exists():
        return AttemptStage.OVER
    has_wrapper = (directory / files.WRAPPER).exists()
    spawned = files.read_json(directory / files.SPAWNED)
    if files.is_locked(directory / files.LOCK):
        return AttemptStage.LIVE
    if has_wrapper:
        return AttemptStage.OVER if (directory / files.EXIT).exists() else AttemptStage.DEAD
    if spawned is None:
        return AttemptStage.WAITING
    if spawned["identity"] and processes.identity(spawned["pid"]) == spawned["identity"]:
        return AttemptStage.LIVE
    return stage_of(directory) if (directory / files.WRAPPER).exists() else AttemptStage.DEAD


def is_unwanted(directory: Path) -> bool:
    """Whether a user asked for the attempt's end."""
    return (directory / files.CANCELLED).exists()


def settle(directory: Path) -> AttemptStage:
    """Write the end of an attempt that cannot do so itself, after its last process is gone. Errors: `OSError`.

    The attempt's own lock is held meanwhile, so that a wrapper that is late finds the end written and does nothing.
    """
    with files.locked(directory / files.LOCK, 0) as lock:
        if lock is None:
            return AttemptStage.LIVE
        if (directory / files.EXIT).exists():
            return AttemptStage.OVER
        processes.end_all(directory)
        spawned = files.read_json(directory / files.SPAWNED)
        cause = outcome.KILLED
        if spawned and (restarted := _restarted(spawned["boot"], processes.boot_identity())):
            cause = restarted
        elif not (directory / files.WRAPPER).exists():
            cause = outcome.UNSTARTED
        ended = {"stage": outcome.WRAPPER_STAGE, "cause": cause, "code": None, "signal": None, "asked": False}
        files.write_json(directory / files.EXIT, ended | {"finished_at": datetime.now(UTC).isoformat()})
    return AttemptStage.OVER


def _restarted(then: str, now: str) -> str:
    """What was started anew between two boot identities, as a cause; "" where nothing was."""
    if then == now:
        return ""
    (machine_then, _, _), (machine_now, _, _) = then.partition(" "), now.partition(" ")
    return outcome.CONTAINER_RESTARTED if machine_then == machine_now else outcome.RESTARTED


def _reference(ticket: str) -> Reference | None:
    match ticket.split("."):
        case [_, account, job, attempt] if is_id(account) and is_id(job) and attempt.isdecimal():
            return Reference(account, job, int(attempt))
    return None
