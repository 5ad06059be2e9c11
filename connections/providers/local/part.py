"""What samplers and recipes of this machine have in common: each is a part of the provider, in slots of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from connections.providers.attempts import Reference
from connections.providers.local.attempts import LocalAttempts
from connections.providers.local.faults import faults
from connections.providers.local.limits import Limits
from connections.providers.local.queue import QueueState
from connections.providers.local.reach import PASSED_BY_ALL
from connections.providers.local.slots import Slots
from connections.providers.local.users import JobUsers
from connections.providers.telemetry import LogChunk
from connections.providers.trainer_files import files
from connections.providers.trainer_files.job_folders import JobFolders

OWN = (files.RECORDS, files.HOME)
"""Folders of an attempt that belong to the user that it has."""
ABOVE = 5
"""Folders from an attempt's own up to that of the part."""


@dataclass(frozen=True, kw_only=True)
class LocalPart(ABC):
    """What a part needs of the provider that it belongs to; `turn` is held while a user is chosen for an attempt.

    `package` is the directory of the package that runs, `slots` how many run at a time, `host` where they are reached,
    "" where they listen to nobody; `ask` has trainer-host go on.
    """

    root: Path
    slots: int
    users: JobUsers
    turn: Callable[[], AbstractContextManager[None]]
    package: Path
    limits: Limits
    grace_seconds: float
    ask: Callable[[], QueueState]
    host: str = ""

    def stop(self, reference: Reference) -> None:
        """Ask for the end. Errors: `Gone`, `Retryable`."""
        with faults():
            self._attempts.ask_to_end(reference)

    def logs(self, reference: Reference, after: int) -> LogChunk:
        """At most 64 KiB of log from the byte offset on. Errors: `Gone`, `Retryable`."""
        with faults():
            return self._folders.logs(reference, after)

    def forget_ended(self, before: datetime) -> None:
        """Remove the folders of those that ended before then. Errors: `Retryable`."""
        with faults():
            self._folders.forget_attempts(before, files.EXIT)

    @property
    def owned(self) -> Slots:
        """For trainer-host alone."""
        return Slots(self._attempts.queue, self.slots, self._begin)

    @property
    def _attempts(self) -> LocalAttempts:
        return LocalAttempts(self._folders, self.slots, self.host, self.ask)

    def _let_pass(self, directory: Path) -> None:
        """Let the users of attempts through to one of these."""
        for folder in (directory.parents[depth] for depth in range(1, ABOVE)):
            folder.chmod(PASSED_BY_ALL)

    @property
    @abstractmethod
    def _folders(self) -> JobFolders:
        """Where those of the part lie."""

    @abstractmethod
    def _begin(self, directory: Path) -> int:
        """Start the wrapper of one, and say its process id. Errors: `OSError`, `Retryable`."""
