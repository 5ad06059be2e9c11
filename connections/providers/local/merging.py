"""An adapter folded into its base: a process of the trainer's environment, under a wrapper and a user as a trainer is.

Who made the adapter is not trusted: it is copied to a folder of its own, <root>/merging/<random>/, together with all
that the process may write, and what the process leaves there is taken over as plain files.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connections.providers.base import Rejected, Retryable
from connections.providers.local import plan, processes
from connections.providers.local.capability import ModelPlaces, linked_folders, model_directory
from connections.providers.local.limits import Limits
from connections.providers.local.users import LENT, JobUsers
from connections.providers.trainer_files import files, reading, records

ADAPTER, OUTPUT = "adapter", "output"
WRITABLE = (OUTPUT, files.HOME)
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
SECONDS, GRACE_SECONDS = 1800.0, 3.0
STALE_SECONDS = 2 * SECONDS
LONGEST_LINE = 4096
FILE_MODE = 0o644


@dataclass(frozen=True)
class Merge:
    """What a merge on this machine needs; `turn` is held while a user is chosen for it. The rest is the provider's."""

    root: Path
    places: ModelPlaces
    users: JobUsers
    turn: Callable[[], AbstractContextManager[None]]
    trainer_package: Path
    environment: Path
    limits: Limits

    def run(self, base_model: str, adapter: Path, target: Path, seconds: float = SECONDS) -> None:
        """Fill the target, an empty folder, with the merged model.

        Errors: `Rejected`, where the same will never do; `Retryable`, `OSError`.
        """
        if any(target.iterdir()):
            raise Rejected(f"The folder {target} is not empty; a merged model gets a fresh one.")
        directory = self.root / LENT / uuid.uuid4().hex
        files.make_directory(directory)
        try:
            commands = self._prepare(directory, base_model, adapter)
            files.write_json(directory / files.PLAN, commands)
            _wait_for(directory, seconds)
            _take_over(directory / OUTPUT, target)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            _remove_stale(directory.parent)

    def _prepare(self, directory: Path, base_model: str, adapter: Path) -> dict[str, Any]:
        """The plan of the wrapper, with all that it needs in the directory. Errors: as above."""
        try:
            base = model_directory(self.places, base_model)
        except FileNotFoundError as error:
            raise Rejected(str(error)) from None
        _copy_adapter(adapter, directory / ADAPTER)
        for name in WRITABLE:
            files.make_directory(directory / name)
        files.write_json(directory / files.CONFIG, _config(directory, base_model, base))
        obstacle = self.users.obstacle()
        user = None
        if not obstacle:
            account = base.parent.name if base and self.places.made in base.parents else ""
            with self.turn():
                user = self.users.lend(directory, account, own=WRITABLE)
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
            program=f"{self.trainer_package.name}.merge",
        )
        return commands | {"folders": [str(directory)]}


def _config(directory: Path, base_model: str, model_directory: Path | None) -> dict[str, Any]:
    """What the process is told, see trainer/merge.py."""
    return {
        "base_model": base_model,
        "model_directory": str(model_directory) if model_directory else None,
        "model_cache": str(directory / files.HOME / "model-cache"),
        "adapter": str(directory / ADAPTER),
        "output": str(directory / OUTPUT),
    }


def _copy_adapter(source: Path, target: Path) -> None:
    """Copy the files that an adapter is made of, following no link. Errors: `Rejected`, `OSError`."""
    target.mkdir(mode=0o700)
    for name in ADAPTER_FILES:
        try:
            with reading.open_regular(source / name) as original, (target / name).open("xb") as copy:
                shutil.copyfileobj(original, copy)
        except FileNotFoundError:
            raise Rejected(f"There is no adapter: {name} is missing.") from None


def _wait_for(directory: Path, seconds: float) -> None:
    """Run the wrapper to its end. Errors: `Rejected`, `Retryable`."""
    if not processes.run_wrapper(directory, plan.wrapper_environment(os.environ), seconds):
        raise Retryable(f"The merge took longer than {seconds / 60:.0f} minutes and was ended.")
    ended = files.read_json(directory / files.EXIT) or {}
    if ended.get("stage") == "trainer" and ended.get("code") == 0:
        return
    last = records.log_tail(directory / files.LOG, lines=1, size=LONGEST_LINE)
    told = reading.as_object(last.encode()) or {}
    message = str(told.get("message", last))
    if told.get("reason") == "REFUSED":
        raise Rejected(message)
    if exceeded := ended.get("exceeded"):
        raise Rejected(f"The merge needs more {exceeded.get('what')} than a trainer may use of this machine.")
    raise Retryable(f"The merge broke off: {message or 'it was ended'}")


def _take_over(output: Path, target: Path) -> None:
    """Move what was written, which has to be regular files, and make it ours. Errors: `Retryable`, `OSError`."""
    for path in sorted(output.iterdir()):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise Retryable("The merge left something that is no file.")
        moved = target / path.name
        shutil.move(path, moved)
        os.chown(moved, os.geteuid(), os.getegid(), follow_symlinks=False)
        moved.chmod(FILE_MODE)


def _remove_stale(folder: Path) -> None:
    """Remove what a worker left that died while it merged."""
    for left in folder.iterdir():
        if left.stat().st_mtime < time.time() - STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
