"""Checkpoints on disk: one directory a name, written beside and renamed, so that one is whole or absent.

`<checkpoints>/<name>/checkpoint.json` describes it; what else lies there is the concern of who wrote it.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from trainer.durable import sync_path, sync_tree, write_json
from trainer.errors import OperationError
from trainer.metrics import now

CROSS_JOB = "cross_job://"
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class CheckpointInfo:
    """checkpoint.json. lora_rank is 0 where all parameters are trained; step counts optimizer steps."""

    name: str
    step: int
    size_bytes: int
    created_at: str
    trainer_mode: str
    lora_rank: int
    base_model: str


class Checkpoints:
    """The checkpoints of one job, and the way to those of the account's other jobs."""

    def __init__(self, directory: Path, jobs_root: Path, job: str) -> None:
        self.directory = directory
        self._jobs_root = jobs_root
        self._job = job
        directory.mkdir(parents=True, exist_ok=True)

    def remove_unfinished(self) -> None:
        """Remove what a crash left of a save. Call it before the first save of this process."""
        for path in self.directory.glob(".part-*"):
            shutil.rmtree(path, ignore_errors=True)

    def names(self) -> list[str]:
        """Names in the order of their steps, the newest last."""
        infos = [read_info(path.parent) for path in self.directory.glob("[!.]*/checkpoint.json")]
        return [info.name for info in sorted(infos, key=lambda info: (info.step, info.created_at))]

    def free_name(self, wanted: str) -> str:
        """`wanted`, or `wanted-2`, ... if it is taken."""
        taken = set(self.names())
        candidates = [wanted, *(f"{wanted}-{number}" for number in range(2, len(taken) + 2))]
        return next(name for name in candidates if name not in taken)

    def save(
        self, name: str, write: Callable[[Path], None], *, step: int, trainer_mode: str, lora_rank: int, base_model: str
    ) -> CheckpointInfo:
        """Let `write` fill a fresh directory and give it its name once it is on the disk.

        Raises OperationError for a bad or taken name, and where the disk refuses.
        """
        target = self.directory / check_name(name)
        if target.exists():
            raise OperationError(
                f"Checkpoint {name} exists already and a saved checkpoint never changes. Save under a new name."
            )
        part = self.directory / f".part-{uuid.uuid4().hex}"
        try:
            part.mkdir()
            write(part)
            size = sum(path.stat().st_size for path in part.rglob("*") if path.is_file())
            info = CheckpointInfo(
                name=name, step=step, size_bytes=size, created_at=now(),
                trainer_mode=trainer_mode, lora_rank=lora_rank, base_model=base_model,
            )  # fmt: skip
            write_json(part / "checkpoint.json", asdict(info))
            sync_tree(part)
            part.rename(target)
            sync_path(self.directory)
        except OSError as error:
            raise OperationError(
                f"Checkpoint {name} could not be saved to {self.directory}: {error.strerror or error}."
            ) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return info

    def find(self, reference: str) -> Path:
        """Directory of a checkpoint named `NAME` (this job's) or `cross_job://JOB/NAME` (that job's and no other's).

        Raises OperationError: 400 for a malformed reference, 404 where there is no such checkpoint.
        """
        job, name = self._job, reference
        if reference.startswith(CROSS_JOB):
            job, _, name = reference.removeprefix(CROSS_JOB).partition("/")
            check_name(job, "job id")
        check_name(name)
        directory = self.directory if job == self._job else self._jobs_root / job / "checkpoints"
        if not (directory / name / "checkpoint.json").is_file():
            known = f" Saved in this job: {', '.join(self.names()) or 'none'}." if job == self._job else ""
            raise OperationError(f"There is no checkpoint {name} in job {job}.{known}", status=404)
        return directory / name


def check_name(name: str, noun: str = "checkpoint name") -> str:
    """Return `name` if it is a DNS label, else raise OperationError: a name becomes a directory."""
    if not _DNS_LABEL.fullmatch(name):
        raise OperationError(f"The {noun} {name[:80]!r} must be 1 to 63 lower-case letters, digits and inner hyphens.")
    return name


def read_info(directory: Path) -> CheckpointInfo:
    return CheckpointInfo(**json.loads((directory / "checkpoint.json").read_text(encoding="utf-8")))
