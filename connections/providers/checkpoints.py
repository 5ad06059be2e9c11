"""The checkpoints of a job, as a provider lists them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from connections.providers.attempts import Truncation


class CheckpointKind(StrEnum):
    """What a checkpoint is for: to go on training from, or to be sampled from and promoted to a model."""

    TRAINING = "TRAINING"
    SAMPLER = "SAMPLER"


@dataclass(frozen=True)
class CheckpointFile:
    """One file of a checkpoint, as its trainer noted it down: path below the checkpoint, bytes, and sha256 in hex."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class CheckpointRecord:
    """One checkpoint of a job; `size_bytes` counts all its files.

    `requested_name` is what the client asked to save it as: another where that was taken, or was no DNS label.
    `writing` says that its bytes are not all there yet; `promotable_there` that the connection, which keeps its files,
    can make a model of it. What the provider does not tell is None or empty; a rank of 0 means all parameters.
    """

    name: str
    step: int
    size_bytes: int
    saved_at: datetime
    requested_name: str = ""
    kind: CheckpointKind = CheckpointKind.TRAINING
    writing: bool = False
    lora_rank: int | None = None
    lora_alpha: int | None = None
    precision: str = ""
    files: tuple[CheckpointFile, ...] = ()
    promotable_there: bool = False


@dataclass(frozen=True)
class CheckpointList:
    """The checkpoints of a job by step, then by time."""

    records: tuple[CheckpointRecord, ...]
    limits: tuple[Truncation, ...] = ()
