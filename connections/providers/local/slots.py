"""Slots: who runs, who is next, who is dead. The one place that starts wrappers, signals them, and settles ends.

Only trainer-host comes here (trainer_host.py): processes are found by their numbers, which mean nothing to whoever has
other ones, such as another container on the same files.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path

from connections.providers.attempts import Reference
from connections.providers.errors import Retryable
from connections.providers.local import processes
from connections.providers.local.queue import Queue, QueueState
from connections.providers.trainer_files import files, outcome

UNREADABLE = (ValueError, KeyError, TypeError)
"""What a record of another release raises, or a broken one."""
log = logging.getLogger(__name__)


class AttemptStage(Enum):
    """Where an attempt stands, from its files and its lock."""

    WAITING = auto()
    LIVE = auto()
    DEAD = auto()  # nothing of it will write how it ended
    OVER = auto()


@dataclass(frozen=True)
class Slots:
    """Those of one queue: `count` slots are filled where `shortage` says "", and `start` starts the wrapper of one.

    `taken_by` says how many slots one takes. Of whom more are taken than there are runs alone. `gpus_needed` says how
    many GPUs one needs besides, `gpus_free` how many are free, and `gpus_hidden` why none are given, "" where they are.
    """

    queue: Queue
    count: int
    start: Callable[[Path], int]
    shortage: Callable[[], str] = str
    taken_by: Callable[[Path], int] = lambda _: 1
    gpus_needed: Callable[[Path], int] = lambda _: 0
    gpus_free: Callable[[], int] = int
    gpus_hidden: Callable[[], str] = str

    def advance(self, held_up: str = "") -> QueueState:
        """Settle what died, ask those to end whose end is wanted, start what has a slot, and say how the rest stands.

        `held_up` is why nobody is to be started. The queue's turn is held.
        """
        held_up = held_up or self.shortage()
        stages, unreadable = dict[Reference, AttemptStage](), list[Reference]()
        for ticket, reference in self.queue.tickets():
            try:
                stages[reference] = self._settled(self.queue.directory(reference), ticket)
            except UNREADABLE as error:
                log.warning("could not settle %s, which may be of another release: %r", reference, error)
                stages[reference] = AttemptStage.DEAD
                unreadable.append(reference)
        waiting = [reference for reference, stage in stages.items() if stage is AttemptStage.WAITING]
        running = [reference for reference, stage in stages.items() if stage is AttemptStage.LIVE]
        free = self.count - sum(map(self.takes, running))
        gpus_awaited, gpus_held_up = False, ""
        for reference in tuple(waiting):
            if held_up:
                break
            takes = self.takes(reference)
            try:
                needed = self.gpus_needed(self.queue.directory(reference))
                if needed and (gpus_held_up := gpus_held_up or self.gpus_hidden()):
                    continue  # it gets none whatever slots are free
                if free < takes:
                    break
                if needed:
                    # Those without GPUs pass one that waits for some; others with GPUs do not, or a wide one starves.
                    gpus_awaited = gpus_awaited or self.gpus_free() < needed
                    if gpus_awaited:
                        continue
                self._start(self.queue.directory(reference))
            except (OSError, Retryable) as error:
                log.warning("could not start %s: %s", reference, error)
                break
            except UNREADABLE as error:
                log.warning("could not start %s, which may be of another release: %r", reference, error)
                unreadable.append(reference)
                continue
            waiting.remove(reference)
            free -= takes
        dead = [reference for reference, stage in stages.items() if stage is AttemptStage.DEAD]
        return QueueState(waiting, dead, unreadable, held_up, gpus_held_up)

    def takes(self, reference: Reference) -> int:
        """How many slots one takes; one where its files tell this release nothing."""
        try:
            return min(self.count, self.taken_by(self.queue.directory(reference)))
        except (OSError, *UNREADABLE):
            return 1

    def _settled(self, directory: Path, ticket: Path) -> AttemptStage:
        """The stage of an attempt, after its end was written down where that was due, or asked for where wanted.

        Errors: what `UNREADABLE` lists.
        """
        if not directory.is_dir():
            ticket.unlink(missing_ok=True)
            return AttemptStage.OVER
        try:
            stage = stage_of(directory)
            unwanted = (directory / files.CANCELLED).exists()
            if stage is AttemptStage.DEAD or (stage is AttemptStage.WAITING and unwanted):
                stage = settle(directory)
            elif stage is AttemptStage.LIVE and unwanted:
                processes.ask_wrapper(directory)
            if stage is AttemptStage.OVER:
                ticket.unlink(missing_ok=True)
            return stage
        except OSError as error:  # a full disk must not keep the others from being observed
            log.warning("could not settle %s: %s", directory, error)
            return AttemptStage.DEAD

    def _start(self, directory: Path) -> None:
        """Start a wrapper and note that. If we die between the two, a second wrapper finds the first one's lock."""
        pid = self.start(directory)
        spawned = {"pid": pid, "identity": processes.identity(pid), "boot": processes.boot_identity()}
        files.write_json(directory / files.SPAWNED, spawned)


def live(queue: Queue) -> list[Reference]:
    """The attempts that run."""
    references = [reference for _, reference in queue.tickets()]
    return [reference for reference in references if _is_live(queue.directory(reference))]


def _is_live(directory: Path) -> bool:
    try:
        return stage_of(directory) is AttemptStage.LIVE
    except UNREADABLE:  # then its wrapper's lock alone tells
        return files.is_locked(directory / files.LOCK)


def stop_all(queues: Sequence[Queue], grace_seconds: float, *, drained: bool = False) -> None:
    """End all that run because the host stops: SIGTERM, and SIGKILL for what is left after the grace period.

    Those that wait for a slot go on waiting. `drained` is what is said of them. Errors: `OSError`.
    """
    directories = [queue.directory(reference) for queue in queues for reference in live(queue)]
    for directory in directories:
        with suppress(OSError):  # a full disk: the wrapper writes down that it was asked, which says the same
            files.mark(directory / files.HOST_STOPPED)
            if drained:
                files.write_text(directory / files.HOST_STOPPED, files.DRAINED)
        processes.ask_wrapper(directory)
    deadline = time.monotonic() + grace_seconds
    while any(map(live, queues)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for directory in directories:
        if not (directory / files.EXIT).exists():
            processes.end_all(directory)
            settle(directory)


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
        if spawned and (restarted := _restarted(spawned.get("boot", ""), processes.boot_identity())):
            cause = restarted
        elif not (directory / files.WRAPPER).exists():
            cause = outcome.UNSTARTED
        ended = {"stage": outcome.WRAPPER_STAGE, "cause": cause, "code": None, "signal": None, "asked": False}
        files.write_json(directory / files.EXIT, ended | {"finished_at": datetime.now(UTC).isoformat()})
    return AttemptStage.OVER


def _restarted(then: str, now: str) -> str:
    """What was started anew between two boot identities, as a cause; "" where nothing was, or nobody can say."""
    if then in ("", now):
        return ""
    (machine_then, _, _), (machine_now, _, _) = then.partition(" "), now.partition(" ")
    return outcome.CONTAINER_RESTARTED if machine_then == machine_now else outcome.RESTARTED
