"""Talk to the provider about one attempt, outside any transaction, and bring back all that it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from launches.providers.base import (
    CheckpointRecord,
    Gone,
    LogChunk,
    MetricRecord,
    Observation,
    Provider,
    ProviderError,
    Reference,
    Rejected,
    Submission,
)
from launches.states import FINAL, AttemptState, Reason

log = structlog.get_logger(__name__)
MOST_ROUNDS = 100
"""Rounds of reading the records of an attempt that is over; one round otherwise."""
MOST_LOG_ROUNDS = 2_000
"""The same for its log, of which only the tail is kept in memory: 128 MiB at 64 KiB a round."""
LOG_TAIL_CHARACTERS = 64 * 1024


@dataclass(frozen=True)
class Question:
    """What is known here of the attempt, before asking."""

    submission: Submission
    submitted: bool
    cancel_requested: bool
    log_offset: int
    metrics_read: int


@dataclass(frozen=True)
class Report:
    """What came back: an observation with what was read beside it, or only the error, after which we try again."""

    observation: Observation | None
    error: str = ""
    log: LogChunk | None = None
    metrics: tuple[MetricRecord, ...] = ()
    checkpoints: tuple[CheckpointRecord, ...] | None = None


def consult(provider: Provider, question: Question) -> Report:
    """Submit or cancel where that is due, then observe and read what is new. Never raises: errors are reported."""
    try:
        observation = _observe(provider, question)
    except Exception as error:  # a fault in a provider must not take the sweep down with it
        return Report(None, error=_sentence(error))
    report = Report(observation)
    if observation.state in (AttemptState.REJECTED, AttemptState.LOST):
        return report
    try:
        return _read(provider, question, report)
    except Gone:
        return report  # there is nothing to read, of one that was cancelled before it was submitted, say
    except Exception as error:
        log.warning("provider.unread", error=str(error))
        # An outcome is only applied together with all that belongs to it, so that no last line is lost.
        return Report(None, error=_sentence(error)) if observation.state in FINAL else report


def _observe(provider: Provider, question: Question) -> Observation:
    reference = question.submission.reference
    try:
        if question.cancel_requested:
            provider.cancel(reference)
        elif not question.submitted:
            provider.submit(question.submission)
        return provider.observe(reference)
    except Rejected as error:
        return Observation(AttemptState.REJECTED, detail=str(error), reason=Reason.SPEC_REFUSED)
    except Gone as error:
        if question.cancel_requested and not question.submitted:
            return Observation(AttemptState.CANCELLED, detail="Cancelled before it started.", reason=Reason.USER)
        return Observation(AttemptState.LOST, detail=str(error), reason=Reason.UNKNOWN_TO_PROVIDER)


def _read(provider: Provider, question: Question, report: Report) -> Report:
    assert report.observation is not None
    reference = question.submission.reference
    over = report.observation.state in FINAL
    return replace(
        report,
        log=_read_log(provider, reference, question.log_offset, MOST_LOG_ROUNDS if over else 1),
        metrics=tuple(_read_metrics(provider, reference, question.metrics_read, MOST_ROUNDS if over else 1)),
        checkpoints=tuple(provider.checkpoints(reference.account, reference.job)),
    )


def _read_log(provider: Provider, reference: Reference, offset: int, rounds: int) -> LogChunk:
    text = ""
    for _ in range(rounds):
        chunk = provider.logs(reference, offset)
        if chunk.offset == offset:
            break
        text, offset = (text + chunk.text)[-LOG_TAIL_CHARACTERS:], chunk.offset
    return LogChunk(text, offset)


def _read_metrics(provider: Provider, reference: Reference, after: int, rounds: int) -> Sequence[MetricRecord]:
    records: list[MetricRecord] = []
    for _ in range(rounds):
        found = provider.metrics(reference, after)
        if not found:
            break
        records.extend(found)
        after = found[-1].number
    return records


def _sentence(error: Exception) -> str:
    if isinstance(error, ProviderError):
        return str(error)
    log.exception("provider.fault")
    return f"The provider failed in a way that it does not name ({type(error).__name__}: {error})."
