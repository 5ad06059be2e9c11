"""The one process that starts, signals and judges what runs on this machine: trainers, samplers, recipes.

There is one for each folder of state, which a lock says; workers ask it (asking.py), so they may come, go, and live in
containers that see other processes. All that it knows lies in files: one that starts anew finds what runs by its locks
and numbers, and what died meanwhile. `advance` is told how the connection is set, by whoever read that in the database.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from connections.providers.attempts import Reference
from connections.providers.errors import Retryable
from connections.providers.local import processes
from connections.providers.local.asking import LISTED, LONGEST_LINE, SOCKET, HostAway, HostClient, Part, reachable
from connections.providers.local.limits import Limits
from connections.providers.local.provider import LocalProvider
from connections.providers.local.queue import TURN_SECONDS, Queue
from connections.providers.local.runs import run_folders
from connections.providers.local.samplers import sampler_folders
from connections.providers.local.slots import live, stop_all
from connections.providers.local.trainers import trainer_folders
from connections.providers.trainer_files import files

LOCK, WHO = "trainer-host.lock", "trainer-host.json"
LOCK_SECONDS = 2.0
"""Whoever looks whether it is held holds it for a moment."""
DRAINED, HELD = "drained", "held"
HOLD_SECONDS = 10.0
READ_SECONDS = 10.0
PATHS = ("root", "models", "weights", "trainer_package", "environment", "datasets")
VERBS = ("advance", "stop", "drain", "state")
log = logging.getLogger(__name__)


class Taken(Exception):
    """Another trainer-host looks after the folder; the message says which."""


class TrainerHost:
    """What is asked of it, for one root. Errors of every verb: `Retryable`, `OSError`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.who = {"pid": os.getpid(), "machine": socket.gethostname(), "since": files.now()}
        self._stopping = False
        self._advancing = {part: threading.Lock() for part in Part}

    def advance(self, part: str, provider: dict[str, Any]) -> dict[str, Any]:
        """Go on with those of a part, and say how they stand."""
        set_so = provider_from(provider)
        if set_so.root != self.root:
            raise Retryable(
                f"trainer-host looks after {self.root} and was asked about {set_so.root}: every process of this "
                "Slipway needs the same SLIPWAY_HOME."
            )
        return self.go_on(set_so, Part(part))

    def go_on(self, provider: LocalProvider, part: Part) -> dict[str, Any]:
        """The same, of a provider."""
        slots = provider.slots_of(part)
        with slots.queue.turn(), self._advancing[part]:
            standing = slots.advance(self._held_up())
        listed = {name: [*map(astuple, getattr(standing, name))] for name in LISTED}
        return {**listed, "held_up": standing.held_up, "gpus_held_up": standing.gpus_held_up}

    def stop(self, grace_seconds: float) -> list[tuple[Any, ...]]:
        """End everything because the host stops; nothing is started for ten seconds, so that nobody fills the slots."""
        queues = queues_of(self.root)
        with self._nothing_starts(TURN_SECONDS), queues[Part.TRAINERS].turn():
            stopped = live(queues[Part.TRAINERS])
            stop_all([*queues.values()], grace_seconds, drained=bool(self._drained_at()))
        return [*map(astuple, stopped)]

    def end(self, within: float) -> None:
        """The same because we end, in seconds; without the turn where another keeps it for a quarter of them."""
        deadline = time.monotonic() + within
        queues = queues_of(self.root)
        with self._nothing_starts(within / 4), ExitStack() as turn:
            try:
                turn.enter_context(queues[Part.TRAINERS].turn(min(TURN_SECONDS, within / 4)))
            except (Retryable, OSError) as error:
                log.warning("what runs is ended all the same: %s", error)
            stop_all([*queues.values()], max(0.0, deadline - time.monotonic()))

    def drain(self, on: bool) -> dict[str, Any]:
        """Start nothing from now on, also after a restart; or start again what waits."""
        if on and not self._drained_at():
            files.write_text(self.root / DRAINED, files.now())
        elif not on:
            (self.root / DRAINED).unlink(missing_ok=True)
        return self.state()

    def state(self) -> dict[str, Any]:
        """Who we are, and how many run."""
        running = {part.value: len(live(queue)) for part, queue in queues_of(self.root).items()}
        return {**self.who, "drained_at": self._drained_at(), "running": running}

    def _drained_at(self) -> str:
        try:
            return files.read_word(self.root / DRAINED)
        except FileNotFoundError:
            return ""

    @contextmanager
    def _nothing_starts(self, seconds: float) -> Iterator[None]:
        """Also of samplers and recipes, whose turns are not held; and for HOLD_SECONDS afterwards, over a restart.

        A start that is under way is waited for, so many seconds at most: what it starts is seen by whoever looks then.
        """
        self._hold()
        self._stopping = True
        deadline = time.monotonic() + seconds
        try:
            for lock in self._advancing.values():
                if lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
                    lock.release()
            yield
        finally:
            self._hold()
            self._stopping = False

    def _hold(self) -> None:
        with suppress(OSError):  # a full disk: then nothing new gets far either
            (self.root / HELD).touch(mode=0o600)

    def _held_up(self) -> str:
        if at := self._drained_at():
            return f"Waiting: nothing is started on this machine, whose trainer-host is drained since {at[:16]}Z."
        age = -1.0
        with suppress(FileNotFoundError):
            age = time.time() - (self.root / HELD).stat().st_mtime
        if self._stopping or 0 <= age < HOLD_SECONDS:
            return "Waiting: what runs on this machine is being stopped."
        return ""


class Answering(socketserver.StreamRequestHandler):
    """One question and its answer."""

    timeout = READ_SECONDS
    server: Listening

    def handle(self) -> None:
        """Errors: none that anybody would see."""
        with suppress(OSError):  # who asked is gone
            self.wfile.write(json.dumps(self._answer()).encode() + b"\n")

    def _answer(self) -> dict[str, Any]:
        try:
            asked = json.loads(self.rfile.readline(LONGEST_LINE))
            verb = asked.pop("ask")
            if verb not in VERBS:
                return {"refused": f"This trainer-host knows no {verb!r}: it may be of another release."}
            return {"answer": getattr(self.server.host, verb)(**asked)}
        except Retryable as error:
            return {"refused": str(error)}
        except OSError as error:
            return {"errno": error.errno or 0, "words": error.strerror or str(error)}
        except Exception:
            log.exception("a question could not be answered")
            return {"refused": "trainer-host could not answer that, or was asked by another release: its log says why."}


class Listening(socketserver.ThreadingUnixStreamServer):
    """The socket, for the owner alone."""

    request_queue_size = 64
    daemon_threads = False

    def __init__(self, host: TrainerHost) -> None:
        self.host = host
        (host.root / SOCKET).unlink(missing_ok=True)
        with reachable(host.root) as folder:
            before = os.umask(0o177)
            try:
                super().__init__(f"{folder}/{SOCKET}", Answering)
            finally:
                os.umask(before)


@contextmanager
def held(root: Path) -> Iterator[TrainerHost]:
    """Be the one who looks after the folder. Errors: `Taken`, `OSError`."""
    files.make_directory(root)
    with files.locked(root / LOCK, LOCK_SECONDS) as lock:
        if lock is None:
            other = files.read_json(root / WHO) or {}
            raise Taken(
                f"Another trainer-host looks after {root} already: process {other.get('pid', 'unknown')} of "
                f"{other.get('machine', 'an unknown machine')}, since {other.get('since', 'an unknown time')}. "
                "There is one for each SLIPWAY_HOME; end that one first."
            )
        host = TrainerHost(root)
        (root / WHO).unlink(missing_ok=True)  # of one that is gone
        with suppress(OSError):  # a full disk, on which what runs is to be looked after all the same
            files.write_json(root / WHO, host.who)
        yield host


def provider_from(told: dict[str, Any]) -> LocalProvider:
    """The provider whose fields these are: a worker of another release may tell more than we know, or less.

    Errors: `TypeError` where one is missing that has no default.
    """
    known = _known(LocalProvider, told)
    read: dict[str, Callable[[Any], Any]] = {
        **dict.fromkeys(PATHS, Path),
        **dict.fromkeys(("limits", "run_limits"), lambda figures: Limits(**_known(Limits, figures))),
        "mapped": lambda folders: {name: Path(folder) for name, folder in folders.items()},
        "users": tuple,
    }
    return LocalProvider(**{name: read[name](value) if name in read else value for name, value in known.items()})


def _known(record: type, told: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(record)}
    return {name: value for name, value in told.items() if name in names}


def queues_of(root: Path) -> dict[Part, Queue]:
    """The tickets of all that runs below the root."""
    folders = {Part.TRAINERS: trainer_folders(root), Part.SAMPLERS: sampler_folders(root), Part.RUNS: run_folders(root)}
    return {part: Queue(of_part) for part, of_part in folders.items()}


def stop_everything(root: Path, grace_seconds: float) -> list[Reference]:
    """Have the host end everything, or, where there is none, be that for as long as it takes.

    The trainers' attempts that this ended. Errors: `Taken` by one that does not answer, `Retryable`, `OSError`.
    """
    try:
        return HostClient(root).stop(grace_seconds)
    except HostAway:
        with held(root) as host:
            return [Reference(*reference) for reference in host.stop(grace_seconds)]


def serve(root: Path, *, end_within: float | None = None) -> None:
    """Answer until SIGTERM or SIGINT says to stop. What runs goes on, or, where `end_within` says so, ends in seconds.

    Errors: `Taken`, `OSError`.
    """
    if end_within is not None:
        processes.be_first(os.getpid())
    with held(root) as host, Listening(host) as listening:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: threading.Thread(target=listening.shutdown).start())
        log.info("trainer-host looks after %s", root)
        listening.serve_forever(poll_interval=0.1)
        (root / SOCKET).unlink(missing_ok=True)
        if end_within is not None:
            host.end(end_within)
        log.info("trainer-host ends; what runs %s", "goes on" if end_within is None else "has ended")
