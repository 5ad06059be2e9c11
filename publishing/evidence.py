"""What the records of a run show: whether they are enough to call the version validated, and the figures. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Protocol


class RecordLike(Protocol):
    """One record of the trainer, as `launches.models.Metric` and `connections.providers.telemetry.MetricRecord` are."""

    @property
    def step(self) -> int: ...
    @property
    def loss_per_token(self) -> float | None: ...
    @property
    def seconds(self) -> float | None: ...
    @property
    def peak_memory_bytes(self) -> int | None: ...
    @property
    def planned_memory_bytes(self) -> int | None: ...
    @property
    def memory(self) -> Any: ...
    @property
    def longest_context(self) -> int | None: ...


@dataclass(frozen=True)
class RunMeasurements:
    """What a run measured, named as the columns of `Validation`; None where its records do not say."""

    seconds_per_step: float | None = None
    peak_memory_bytes: int | None = None
    planned_memory_bytes: int | None = None
    memory: Any = None
    longest_context: int | None = None
    first_loss: float | None = None
    last_loss: float | None = None
    forwards: int | None = None
    forward_seconds: float | None = None


def shortcomings(records: Sequence[RecordLike], *, steps: int, context: int) -> Iterator[str]:
    """Why a run of `steps` steps whose shape promises `context` tokens proves nothing, one sentence a reason."""
    if len(records) != steps:
        yield f"It recorded {len(records)} of {steps} steps."
    for record in records:
        if record.loss_per_token is None or not math.isfinite(record.loss_per_token):
            yield f"The loss of step {record.step} is not a finite number."
            break
    longest = _longest(records) or 0
    if longest < context:
        yield f"The longest sequence that it ran has {longest:,} tokens; the shape promises {context:,}."


def measure(records: Sequence[RecordLike], *, forward_only: bool) -> RunMeasurements:
    """The figures of a run, its records in order. The first step of a run warms up, so it is left out of the median."""
    seconds = [record.seconds for record in records if record.seconds is not None]
    peaks = [record.peak_memory_bytes for record in records if record.peak_memory_bytes is not None]
    peak, longest = max(peaks, default=None), _longest(records)
    planned = next((record.planned_memory_bytes for record in reversed(records) if record.planned_memory_bytes), None)
    memory = next((record.memory for record in reversed(records) if record.memory), None)
    if forward_only:
        return RunMeasurements(
            peak_memory_bytes=peak,
            planned_memory_bytes=planned,
            memory=memory,
            longest_context=longest,
            forwards=len(records),
            forward_seconds=sum(seconds),
        )
    return RunMeasurements(
        seconds_per_step=median(seconds[1:] or seconds) if seconds else None,
        peak_memory_bytes=peak,
        planned_memory_bytes=planned,
        memory=memory,
        longest_context=longest,
        first_loss=records[0].loss_per_token if records else None,
        last_loss=records[-1].loss_per_token if records else None,
    )


def summary(measured: RunMeasurements) -> str:
    """The outcome of a run that passed, in a sentence."""
    longest = f"longest context tried: {measured.longest_context or 0:,} tokens"
    if measured.forwards is not None:
        return f"{measured.forwards} forward passes in {measured.forward_seconds or 0:.1f} s; {longest}."
    return f"Loss from {measured.first_loss or 0:.4f} to {measured.last_loss or 0:.4f}; {longest}."


def _longest(records: Sequence[RecordLike]) -> int | None:
    return max((record.longest_context for record in records if record.longest_context is not None), default=None)
