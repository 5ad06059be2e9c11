"""Checkpoints on disk: one directory a name, written beside and renamed, so that one is whole or absent.

`<checkpoints>/<name>/checkpoint.json` describes it, with the size and the digest of each of its files. It is there
before the first of them, as a manifest of what is being written; what lies there is the concern of who wrote it.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from trainer.durable import sync_path, sync_tree, write_json
from trainer.errors import NoSpaceError, OperationError
from trainer.fields import shown
from trainer.metrics import now

CROSS_JOB = "cross_job://"
TRAINING, SAMPLER = "TRAINING", "SAMPLER"
FOLDERS = {TRAINING: "checkpoints", SAMPLER: "sampler"}
"""Where a job's checkpoints of each kind lie, side by side."""
WRITING, READY = "WRITING", "READY"
MANIFEST = "checkpoint.json"
LONGEST_LABEL = 63
LONGEST_REQUEST = 200
FULL_BYTES = 1_000_000
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class CheckpointInfo:
    """checkpoint.json. step counts optimizer steps; lora_rank is 0 where all parameters are trained.

    name is the label it is stored under and loaded by, requested_name what the client asked for. created_at is when it
    was begun. precision is the type of the weights, as torch names it. files tells the size_bytes and the sha256 of
    each file by its path; size_bytes is their sum, 0 while it is written. What earlier releases did not note down is
    None or empty.
    """

    name: str
    step: int
    size_bytes: int
    created_at: str
    trainer_mode: str
    lora_rank: int
    base_model: str
    lora_alpha: int | None = None
    requested_name: str | None = None
    kind: str = TRAINING
    state: str = READY
    precision: str = ""
    files: dict[str, dict[str, int | str]] = field(default_factory=dict)


_FIELDS = tuple(each.name for each in fields(CheckpointInfo))


class Checkpoints:
    """The checkpoints of one job and kind, and the way to those of the account's other jobs."""

    def __init__(self, directory: Path, jobs_root: Path, job: str, kind: str = TRAINING) -> None:
        self.directory = directory
        self.kind = kind
        self._jobs_root = jobs_root
        self._job = job
        directory.mkdir(parents=True, exist_ok=True)

    def remove_unfinished(self) -> None:
        """Remove what a crash left of a save. Call it before the first save of this process."""
        for path in self.directory.glob(".part-*"):
            shutil.rmtree(path, ignore_errors=True)

    def names(self) -> list[str]:
        """Names in the order of their steps, the newest last; what cannot be read is left out."""
        found = [read_info(path.parent) for path in self.directory.glob(f"[!.]*/{MANIFEST}")]
        infos = sorted(filter(None, found), key=lambda info: (info.step, info.created_at))
        return [info.name for info in infos]

    def save(
        self,
        requested_name: str,
        write: Callable[[Path], str],
        *,
        step: int,
        trainer_mode: str,
        lora_rank: int,
        lora_alpha: int,
        base_model: str,
    ) -> CheckpointInfo:
        """Let `write` fill a fresh directory and give it a name once it is on the disk; it returns the precision.

        Before the first byte of it a manifest says what is being written, for whoever lists checkpoints.

        A saved checkpoint never changes: where the requested name is taken, or is no DNS label, another is made of it.
        Raises NoSpaceError where the disk is full, OperationError where it refuses otherwise.
        """
        name = self._free_label(requested_name)
        begun = CheckpointInfo(
            name=name, requested_name=requested_name[:LONGEST_REQUEST], kind=self.kind, state=WRITING, step=step,
            size_bytes=0, created_at=now(), trainer_mode=trainer_mode, lora_rank=lora_rank, lora_alpha=lora_alpha,
            base_model=base_model,
        )  # fmt: skip
        part = self.directory / f".part-{uuid.uuid4().hex}"
        try:
            part.mkdir()
            write_json(part / MANIFEST, asdict(begun))
            info = _finished(replace(begun, precision=write(part)), part)
            write_json(part / MANIFEST, asdict(info))
            _open_like(part)
            sync_tree(part)
            part.rename(self.directory / name)
            sync_path(self.directory)
        except Exception as error:
            what = f"Checkpoint {name} could not be saved to {self.directory}"
            if self._is_full(error):
                raise NoSpaceError(f"{what}: No space left on device. Free some, and save again.") from error
            if isinstance(error, OSError):
                raise OperationError(f"{what}: {error.strerror or error}.") from error
            raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return info

    def _is_full(self, error: Exception) -> bool:
        """Whether it is for want of space; what writes the weights has errors of its own, without a number."""
        numbered = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        return numbered or shutil.disk_usage(self.directory).free < FULL_BYTES

    def _free_label(self, requested: str) -> str:
        return next(name for name in make_labels(requested) if not (self.directory / name).exists())

    def find(self, reference: str) -> tuple[Path, CheckpointInfo]:
        """Directory and description of a checkpoint: `NAME` (of this job) or `cross_job://JOB/NAME` (of that job only).

        Raises OperationError: 400 for a malformed reference, 404 where there is no such checkpoint.
        """
        job, name = self._job, reference
        if reference.startswith(CROSS_JOB):
            job, _, name = reference.removeprefix(CROSS_JOB).partition("/")
            check_name(job, "job id")
        check_name(name, "checkpoint name")
        directory = self.directory if job == self._job else self._jobs_root / job / FOLDERS[TRAINING]
        info = read_info(directory / name)
        if info is None:
            known = f" Saved in this job: {', '.join(self.names()) or 'none'}." if job == self._job else ""
            if read_info(directory.parent / FOLDERS[SAMPLER] / name):
                known = f" What has that name are weights for a sampler, from which training does not go on.{known}"
            raise OperationError(f"There is no checkpoint {name} in job {job}.{known}", status=404)
        return directory / name, info


def _finished(begun: CheckpointInfo, directory: Path) -> CheckpointInfo:
    """What was begun, with the files that are there now."""
    paths = sorted(path for path in directory.rglob("*") if path.is_file() and path != directory / MANIFEST)
    files = {path.relative_to(directory).as_posix(): _measured(path) for path in paths}
    return replace(begun, state=READY, size_bytes=sum(path.stat().st_size for path in paths), files=files)


def _measured(path: Path) -> dict[str, int | str]:
    with path.open("rb") as file:
        return {"size_bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _open_like(directory: Path) -> None:
    """Let whoever may read the directory read its files: safetensors writes them for their owner alone.

    Other trainers of the account, which may be other users, load them by `cross_job://`.
    """
    readers = directory.stat().st_mode & 0o044
    for path in directory.rglob("*"):
        if path.is_file():
            path.chmod(0o600 | readers)


def make_label(name: str) -> str:
    """The DNS label nearest to a name: lower-case letters, digits and inner hyphens, 63 characters at most.

    "Step 20/final" becomes "step-20-final"; a name that holds no letter and no digit becomes "checkpoint".
    """
    words = re.findall(r"[a-z0-9]+", name[:LONGEST_REQUEST].lower())
    # A label stays as it is, runs of hyphens included.
    label = name if _DNS_LABEL.fullmatch(name) else "-".join(words)
    return label[:LONGEST_LABEL].rstrip("-") or "checkpoint"


def make_labels(name: str) -> Iterator[str]:
    """The labels that checkpoints saved under the same name get, one after the other."""
    label = make_label(name)
    numbered = (f"-{number}" for number in itertools.count(2))
    return itertools.chain([label], (label[: LONGEST_LABEL - len(end)].rstrip("-") + end for end in numbered))


def check_name(name: str, noun: str) -> str:
    """Return `name` if it is a DNS label, else raise OperationError: a name becomes a directory."""
    if not _DNS_LABEL.fullmatch(name):
        raise OperationError(
            f"The {noun} {shown(name)} must be 1 to {LONGEST_LABEL} lower-case letters, digits and inner hyphens."
        )
    return name


def read_info(directory: Path) -> CheckpointInfo | None:
    """What checkpoint.json says, but for fields of a later release; None where there is none that can be read."""
    try:
        content = json.loads((directory / MANIFEST).read_bytes())
        info = CheckpointInfo(**{name: content[name] for name in _FIELDS if name in content})
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return info if type(info.step) is int and isinstance(info.created_at, str) else None
