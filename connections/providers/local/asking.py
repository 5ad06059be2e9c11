"""How trainer-host is asked: one line of JSON there and one back, over a Unix socket among the provider's files.

A question is {"ask": VERB, ...}, an answer {"answer": ...}; or {"refused": WORDS} where the same may do later, and
{"errno": NUMBER, "words": WORDS} where the machine refused. The verbs are in trainer_host.py. Containers that share the
files share the socket, whatever processes and networks they see.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from connections.providers.attempts import Reference
from connections.providers.errors import Retryable
from connections.providers.local.queue import QueueState

SOCKET = "trainer-host.sock"
ANSWER_SECONDS = 15.0
"""A turn that another process holds is waited for, up to ten seconds."""
LONGEST_LINE = 1 << 22
LISTED = ("waiting", "unsettled", "unreadable")
"""What an answer of how a part stands lists, as `QueueState` does; one of another release may list less."""


class Part(StrEnum):
    """What trainer-host looks after, each with slots of its own."""

    TRAINERS = "trainers"
    SAMPLERS = "samplers"
    RUNS = "runs"


class HostAway(Retryable):
    """Nobody answers: what runs does so still, and nothing is started."""


@dataclass(frozen=True)
class HostState:
    """Of a trainer-host that answers: which process it is, and what runs. `drained_at` is "" where it starts more."""

    pid: int
    machine: str
    since: str
    drained_at: str
    running: dict[str, int]


@dataclass(frozen=True)
class HostClient:
    """Asks the trainer-host of the files under `root`. Errors of every question: `HostAway`, `Retryable`, `OSError`."""

    root: Path

    def advance(self, part: Part, provider: dict[str, Any]) -> QueueState:
        """Go on with those of a part; `provider` says how the connection is set, as `settings_of` writes it."""
        told = self._ask("advance", ANSWER_SECONDS, part=part.value, provider=provider)
        waiting, unsettled, unreadable = ([Reference(*each) for each in told.get(name, [])] for name in LISTED)
        return QueueState(waiting, unsettled, unreadable, told["held_up"], told.get("gpus_held_up", ""))

    def stop(self, grace_seconds: float) -> list[Reference]:
        """End everything because the host stops; the trainers' attempts that this ended."""
        seconds = ANSWER_SECONDS + 4 * grace_seconds
        return [Reference(*reference) for reference in self._ask("stop", seconds, grace_seconds=grace_seconds)]

    def drain(self, *, on: bool) -> HostState:
        """Start nothing from now on, or start again what waits."""
        return HostState(**self._ask("drain", ANSWER_SECONDS, on=on))

    def state(self, within: float = ANSWER_SECONDS) -> HostState:
        """Who answers within so many seconds, and what runs."""
        return HostState(**self._ask("state", within))

    def _ask(self, verb: str, seconds: float, **told: Any) -> Any:
        try:
            with socket.socket(socket.AF_UNIX) as asking, reachable(self.root) as folder:
                asking.settimeout(seconds)
                asking.connect(f"{folder}/{SOCKET}")
                with asking.makefile("rwb") as stream:
                    stream.write(json.dumps({"ask": verb, **told}).encode() + b"\n")
                    stream.flush()
                    answer = json.loads(stream.readline(LONGEST_LINE))
        except TimeoutError:
            raise HostAway("Waiting for trainer-host, which does not answer.") from None
        except (OSError, ValueError):  # nobody listens, or whoever did is gone
            raise HostAway(
                "Waiting for trainer-host, which starts what runs on this machine and does not run now."
            ) from None
        if "errno" in answer:
            raise OSError(answer["errno"], answer["words"])
        if "refused" in answer:
            raise Retryable(answer["refused"])
        return answer["answer"]


def settings_of(provider: Any) -> dict[str, Any]:
    """The fields of a provider, as JSON has them; `trainer_host.provider_from` reads them."""
    told: dict[str, Any] = json.loads(json.dumps(asdict(provider), default=str))
    return told


@contextmanager
def reachable(folder: Path) -> Iterator[str]:
    """A name of the folder that is short, as the address of a socket has to be, where this machine has such."""
    if not Path("/proc/self/fd").is_dir():
        yield str(folder)
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
