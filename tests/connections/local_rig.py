"""The local provider in a directory of its own, with the stand-in trainer."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from connections.providers.base import Reference
from connections.providers.local import files, processes
from connections.providers.local.limits import Limits
from connections.providers.local.provider import LocalProvider

STAND_IN = Path(__file__).parent / "stand_in"


@dataclass(frozen=True)
class LocalRig:
    """A provider whose trainers do as they are told."""

    provider: LocalProvider
    behaviour: Path

    def tell(self, job: str, *, loading: bool | None = None, **behaviour: Any) -> None:
        """What the job's trainers shall do, see stand_in/trainer."""
        mark = self.behaviour / f"{job}.loading"
        if loading is not None:
            mark.touch() if loading else mark.unlink()
        _write(self.behaviour / f"{job}.json", json.dumps(behaviour))

    def finish(self, job: str, code: int = 0) -> None:
        """Let the job's trainer end with the exit code."""
        _write(self.behaviour / f"{job}.exit", str(code))

    def pids(self, job: str, kind: str = "starts") -> list[int]:
        """The pids of the trainers that ever started for the job, or of their children (`child`)."""
        path = self.behaviour / f"{job}.{kind}"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def directory(self, reference: Reference) -> Path:
        """The attempt's directory."""
        job = self.provider.root / "jobs" / reference.account / reference.job
        return job / "attempts" / str(reference.attempt)

    def wrapper_pid(self, reference: Reference) -> int:
        """The pid that the attempt's wrapper wrote down."""
        wrapper = files.read_json(self.directory(reference) / files.WRAPPER)
        assert wrapper
        pid = wrapper["pid"]
        assert isinstance(pid, int)
        return pid

    def end(self) -> None:
        """Leave no process behind, whatever the test did."""
        for submission in self.provider.root.glob("jobs/*/*/attempts/*"):
            processes.end_all(submission)


def make_rig(directory: Path, *, slots: int = 2, grace_seconds: float = 0.3, limits: Limits | None = None) -> LocalRig:
    """A rig under the directory."""
    directory.mkdir(exist_ok=True)
    open_to_trainers(directory)
    code = directory / "code"
    shutil.copytree(STAND_IN, code, ignore=shutil.ignore_patterns("__pycache__"))
    (code / "behaviour").mkdir()
    (code / "behaviour").chmod(0o777)  # where one is root, trainers are other users
    provider = LocalProvider(
        root=directory / "local",
        slots=slots,
        bind="127.0.0.1",
        host="127.0.0.1",
        models=directory / "models",
        trainer_package=code / "trainer",
        environment=directory / "trainer-env",
        limits=limits or Limits(),
        grace_seconds=grace_seconds,
    )
    return LocalRig(provider, code / "behaviour")


def open_to_trainers(directory: Path) -> None:
    """Let other users pass through what pytest keeps to ourselves, as a SLIPWAY_HOME lets them."""
    for folder in (directory, *directory.parents):
        if folder.owner() == directory.owner():
            folder.chmod(folder.stat().st_mode | 0o011)


def is_alive(pid: int) -> bool:
    """Whether a process runs under the pid; one that only waits to be reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}")
    part.write_text(text)
    part.replace(path)
