"""A small program that a test scripts stands in for the trainer: in its environment, or in a folder of our code."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connections.providers.local import processes
from tests.connections.local_rig import STAND_IN, open_to_trainers
from trainer.prepare import REQUIREMENTS, STAMP, digest

ROOT = Path(__file__).resolve().parents[1]
_NOT_CODE = (".git", "node_modules", "var", "tests", "docs", "__pycache__", "*.egg-info")


@dataclass(frozen=True)
class CodeFolder:
    """A folder with the code of some release, and the behaviour of its trainers, see tests/launches/.../stand_in."""

    path: Path

    def tell(self, job: str, **behaviour: Any) -> None:
        """What the job's trainers shall do."""
        (self.path / "behaviour" / f"{job}.json").write_text(json.dumps(behaviour))

    def finish(self, job: str) -> None:
        """Let the job's trainer end well."""
        part = self.path / "behaviour" / f".{job}.exit"
        part.write_text("0")
        part.replace(part.with_name(f"{job}.exit"))

    def pids(self, job: str) -> list[int]:
        """The pids of the trainers that ever started for the job."""
        starts = self.path / "behaviour" / f"{job}.starts"
        return [int(line) for line in starts.read_text().split()] if starts.exists() else []

    def replace_by_this_one(self) -> None:
        """Bring the code that is tested here, as somebody does who upgrades; trainers may run meanwhile."""
        for entry in self.path.iterdir():
            if entry.name != "behaviour":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        shutil.copytree(ROOT, self.path, symlinks=True, ignore=shutil.ignore_patterns(*_NOT_CODE), dirs_exist_ok=True)
        self.stand_in()

    def stand_in(self) -> None:
        """Replace the trainer."""
        shutil.copytree(STAND_IN, self.path, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)


@dataclass(frozen=True)
class StandIns:
    """Trainers that do as they are told: an environment whose Python runs the stand-in, whatever it is asked for."""

    environment: Path

    def prepare(self) -> None:
        """Make the environment, as complete as the trainer's own looks to a launch."""
        shutil.copytree(STAND_IN, self.environment, ignore=shutil.ignore_patterns("__pycache__"))
        (self.environment / "behaviour").mkdir()
        (self.environment / "behaviour").chmod(0o777)  # where one is root, trainers are other users
        here, python = shlex.quote(str(self.environment)), shlex.quote(os.path.realpath(sys.executable))
        program = self.environment / "bin" / "python"
        program.parent.mkdir()
        search = f"{here}${{PYTHONPATH:+:$PYTHONPATH}}"
        program.write_text(f'#!/bin/sh\ncd {here} && PYTHONPATH={search} exec {python} "$@"\n')
        program.chmod(0o755)
        (self.environment / STAMP).write_text(json.dumps({"digest": digest(REQUIREMENTS)}))

    def pids(self, job: str) -> list[int]:
        """The pids of all that ever started for the job."""
        starts = self.environment / "behaviour" / f"{job}.starts"
        return [int(line) for line in starts.read_text().split()] if starts.exists() else []

    def end(self, job: str, code: int) -> None:
        """Let the job's trainer end."""
        part = self.environment / "behaviour" / f".{job}.exit"
        part.write_text(str(code))
        part.replace(part.with_name(f"{job}.exit"))


def make_code(path: Path) -> CodeFolder:
    """An empty folder for code, which trainers of other users get to."""
    (path / "behaviour").mkdir(parents=True)
    open_to_trainers(path)
    (path / "behaviour").chmod(0o777)
    return CodeFolder(path)


def end_trainers(home: Path) -> None:
    """Leave no trainer of the state folder behind, whatever the test did."""
    for attempt in home.glob("local/jobs/*/*/attempts/*"):
        processes.end_all(attempt)
