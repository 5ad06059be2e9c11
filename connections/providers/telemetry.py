"""What a trainer leaves to read while it runs: its log, and records of its steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from connections.providers.attempts import Truncation
from connections.providers.evaluations import EvaluationRecord, RunPlan
from connections.providers.memory_use import MemoryUse


@dataclass(frozen=True)
class LogChunk:
    """Text of the log that starts after the asked-for offset; `offset` is where the next chunk starts, in bytes.

    Of a log that is far ahead of the offset, the text is of its end: only the end is kept.
    """

    text: str
    offset: int
    limits: tuple[Truncation, ...] = ()


@dataclass(frozen=True)
class MetricRecord:
    """One numbered record of the trainer; None where a figure does not exist or is not finite.

    `longest_context` counts the tokens of the longest sequence; `reward` is the mean that the loop told; `memory` says
    what the peak goes to, where that is news.
    """

    number: int
    step: int
    loss_per_token: float | None
    learning_rate: float | None
    grad_norm: float | None
    tokens: int | None
    seconds: float | None
    peak_memory_bytes: int | None
    recorded_at: datetime
    longest_context: int | None = None
    reward: float | None = None
    planned_memory_bytes: int | None = None
    memory: MemoryUse | None = None


@dataclass(frozen=True)
class MetricPage:
    """Records in the order of their numbers; `offset` is where the next page starts, in units of the provider's own.

    Beside them what a recipe put on record among its steps; `plan` is the newest.

    An offset that stays the same says that there is nothing more for now; a page may be empty and yet go on.
    """

    records: tuple[MetricRecord, ...]
    offset: int
    limits: tuple[Truncation, ...] = ()
    evaluations: tuple[EvaluationRecord, ...] = ()
    plan: RunPlan | None = None
