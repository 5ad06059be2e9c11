"""A process of the trainer's environment that does one thing and ends, under a wrapper and a user as a trainer is.

It has a folder of its own, <root>/lent/<random>/, with a copy of all that it reads and all that it may write; the
folder is gone when the caller has taken what it needs.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connections.providers.errors import Rejected, Retryable
from connections.providers.local import plan, processes
from connections.providers.local.capability import ModelPlaces, linked_folders, model_directory
from connections.providers.local.gpus import Gpus
from connections.providers.local.limits import Limits
from connections.providers.local.users import LENT, JobUsers
from connections.providers.trainer_files import files, reading, records

GRACE_SECONDS = 3.0
STALE_SECONDS = 3600.0
LONGEST_LINE = 4096


@dataclass(frozen=True)
class LentProcess:
    """What such a process on this machine needs; `turn` is held while a user is chosen for it.

    `gpus` are those that trainers share: it sees none of them.
    """

    root: Path
    places: ModelPlaces
    users: JobUsers
    turn: Callable[[], AbstractContextManager[None]]
    trainer_package: Path
    environment: Path
    limits: Limits
    gpus: Gpus

    @contextmanager
    def ended(
        self,
        program: str,
        base_model: str,
        fill: Callable[[Path], dict[str, Any]],
        seconds: float,
        *,
        own: Sequence[str] = (),
    ) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Run `trainer.PROGRAM` to its end: its folder, and the object that its last line is.

        `fill` puts what it reads into the folder, and answers what its configuration says besides the base model; `own`
        are folders that it may write. Errors: `Rejected`, where the same will never do; `Retryable`, `OSError`.
        """
        directory = self.root / LENT / uuid.uuid4().hex
        files.make_directory(directory)
        try:
            files.write_json(directory / files.PLAN, self._prepare(directory, program, base_model, fill, own))
            yield directory, _wait_for(directory, program, seconds)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            _remove_stale(directory.parent)

    def _prepare(
        self, directory: Path, program: str, base_model: str, fill: Callable[[Path], dict[str, Any]], own: Sequence[str]
    ) -> dict[str, Any]:
        """The plan of the wrapper, with all that it needs in the directory. Errors: as above."""
        try:
            base = model_directory(self.places, base_model)
        except FileNotFoundError as error:
            raise Rejected(str(error)) from None
        told = fill(directory)
        writable = (*own, files.HOME)
        for name in writable:
            files.make_directory(directory / name)
        config = {
            "base_model": base_model,
            "model_directory": str(base) if base else None,
            "model_cache": str(directory / files.HOME / "model-cache"),
        }
        files.write_json(directory / files.CONFIG, config | told)
        obstacle = self.users.obstacle()
        user = None
        if not obstacle:
            account = base.parent.name if base and self.places.made in base.parents else ""
            with self.turn():
                user = self.users.lend(directory, account, own=writable)
        files.write_text(directory / files.TOKEN, "")
        linked = linked_folders(self.places, base_model)
        commands = plan.make_plan(
            os.environ,
            directory,
            self.trainer_package,
            self.environment,
            GRACE_SECONDS,
            user,
            obstacle,
            limits=self.limits.in_force(self.root),
            reached=(self.root, self.places.made, *self.users.needed, *linked),
            program=f"{self.trainer_package.name}.{program}",
        )
        commands["trainer_variables"] |= self.gpus.variables([])
        return commands | {"folders": [str(directory)]}


def _wait_for(directory: Path, program: str, seconds: float) -> dict[str, Any]:
    """Run the wrapper to its end. Errors: `Rejected`, `Retryable`."""
    if not processes.run_wrapper(directory, plan.wrapper_environment(os.environ), seconds):
        raise Retryable(f"The {program} took longer than {seconds / 60:.0f} minutes and was ended.")
    ended = files.read_json(directory / files.EXIT) or {}
    last = records.log_tail(directory / files.LOG, lines=1, size=LONGEST_LINE)
    told = reading.as_object(last.encode()) or {}
    if ended.get("stage") == "trainer" and ended.get("code") == 0:
        return told
    message = str(told.get("message", last))
    if told.get("reason") == "REFUSED":
        raise Rejected(message)
    if exceeded := ended.get("exceeded"):
        raise Rejected(f"The {program} needs more {exceeded.get('what')} than a trainer may use of this machine.")
    raise Retryable(f"The {program} broke off: {message or 'it was ended'}")


def _remove_stale(folder: Path) -> None:
    """Remove what a worker left that died meanwhile."""
    for left in folder.iterdir():
        if left.stat().st_mtime < time.time() - STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
