"""Where weights lie that are to be loaded, and whether they are whole: before anything of them is opened."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any

from sampler.config import SamplerConfig
from trainer.checkpoints import (
    CROSS_JOB,
    FOLDERS,
    MANIFEST,
    SAMPLER,
    CheckpointInfo,
    check_name,
    make_labels,
    read_info,
)
from trainer.errors import OperationError
from trainer.fields import shown

ADAPTER_CONFIG = "adapter_config.json"
LARGEST_CONFIG = 1024 * 1024
_MODEL = re.compile(r"accounts/([a-z0-9-]{1,63})/models/([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)")


@dataclass(frozen=True)
class Snapshot:
    """identity: what it is asked for by, and answered as. source: what it is, whatever it is called. files: the size
    and digest of each, where its maker noted them."""

    identity: str
    source: str
    directory: Path
    files: dict[str, dict[str, int | str]]

    @property
    def is_adapter(self) -> bool:
        return (self.directory / ADAPTER_CONFIG).is_file()


def find_snapshot(config: SamplerConfig, identity: str, job: str | None) -> Snapshot:
    """`NAME` of the job, `cross_job://JOB/NAME` or `accounts/ACCOUNT/models/ID`.

    Raises OperationError: 404 where there is none, 409 where a name means two, 400 where it is of another base model.
    """
    if identity.startswith("accounts/"):
        return _find_model(config, identity)
    name = identity
    if identity.startswith(CROSS_JOB):
        job, _, name = identity.removeprefix(CROSS_JOB).partition("/")
    if not job:
        raise OperationError(
            f"No trainer is attached to this deployment, so there is no snapshot {shown(identity)}. Attach one "
            "(hotLoadTrainerJob), then load its snapshots.",
            404,
        )
    folder = config.jobs_root / check_name(job, "job id") / FOLDERS[SAMPLER]
    saved = [
        info
        for label in takewhile(lambda label: (folder / label).is_dir(), make_labels(name))
        if (info := read_info(folder / label)) and name in (info.name, info.requested_name)
    ]
    if not saved:
        raise OperationError(
            f"Job {job} has no snapshot {shown(name)} for a sampler: it was never saved, or removed.", 404
        )
    if len(saved) > 1:
        raise OperationError(
            f"Job {job} saved {shown(name)} {len(saved)} times, as {', '.join(info.name for info in saved)}. "
            "Give every save a name of its own.",
            409,
        )
    return _snapshot(config, identity, job, folder / saved[0].name, saved[0])


def _snapshot(config: SamplerConfig, identity: str, job: str, directory: Path, info: CheckpointInfo) -> Snapshot:
    if info.base_model != config.base_model:
        raise OperationError(
            f"Snapshot {shown(identity)} is of base model {shown(info.base_model)}; this sampler serves "
            f"{config.base_model}."
        )
    return Snapshot(identity, f"{job}/{info.name}", directory, info.files)


def _find_model(config: SamplerConfig, name: str) -> Snapshot:
    match = _MODEL.fullmatch(name)
    if match is None or config.models_root is None or match[1] != config.models_root.name:
        own = f"accounts/{config.models_root.name}/models/..." if config.models_root else "its own account"
        raise OperationError(f"There is no model {shown(name)} here: a sampler loads models of {own} only.", 404)
    directory = config.models_root / match[2]
    if not any((directory / each).is_file() for each in (ADAPTER_CONFIG, "config.json")):
        raise OperationError(f"There is no model {name} (any more).", 404)
    return Snapshot(name, name, directory, {})


def verify(snapshot: Snapshot, base_model: str) -> None:
    """Raise OperationError where a file is missing, is another than was saved, or is one that nobody vouches for, and
    where an adapter is of another base model."""
    for path, told in snapshot.files.items():
        _verify_file(snapshot.directory, path, told)
    if snapshot.files:
        there = {path.relative_to(snapshot.directory).as_posix() for path in snapshot.directory.rglob("*")}
        if unknown := sorted(there - snapshot.files.keys() - {MANIFEST}):
            raise OperationError(f"The snapshot holds {shown(unknown[0])}, of which its manifest says nothing.")
    if snapshot.is_adapter:
        base = _adapter_base(snapshot.directory / ADAPTER_CONFIG)
        if base != base_model:
            raise OperationError(f"The adapter is of base model {shown(base)}; this sampler serves {base_model}.")


def _verify_file(directory: Path, path: str, told: Any) -> None:
    parts = PurePosixPath(path)
    file = directory / parts
    if parts.is_absolute() or ".." in parts.parts or file.is_symlink() or not file.is_file():
        raise OperationError(f"The snapshot's file {shown(path)} is missing. Save it again, and load that.")
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if not isinstance(told, dict) or digest != told.get("sha256"):
        raise OperationError(
            f"The snapshot's file {shown(path)} is not as it was saved (its sha256 is another). Save it again, and "
            "load that."
        )


def _adapter_base(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(LARGEST_CONFIG))
    except (OSError, ValueError, RecursionError) as error:
        raise OperationError(f"The adapter's {path.name} cannot be read.") from error
    return content.get("base_model_name_or_path") if isinstance(content, dict) else None
