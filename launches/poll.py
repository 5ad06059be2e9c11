"""Talk to the provider about one attempt, outside any transaction, and bring back what it says, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import structlog

from connections.providers.attempts import Observation, Reference, Submission, Truncation
from connections.providers.base import Provider
from connections.providers.checkpoints import CheckpointRecord
from connections.providers.errors import Gone, NotYet, ProviderError, Rejected, SecretRefused, Unreachable
from connections.providers.evaluations import EvaluationRecord, RunPlan
from connections.providers.states import FINAL, AttemptState, Reason
from connections.providers.telemetry import LogChunk, MetricRecord

log = structlog.get_logger(__name__)
LOG_TAIL_CHARACTERS = 64 * 1024


@dataclass(frozen=True)
class ReadOffsets:
    """Up to where an attempt was read, in the provider's own offsets."""

    log: int
    metrics: int


@dataclass(frozen=True)
class PollRequest:
    """What is known here of the attempt, before asking."""

    submission: Submission
    submitted: bool
    cancel_requested: bool
    position: ReadOffsets


@dataclass(frozen=True)
class Report:
    """One batch of what came back: an observation with what was read beside it, or the error, after which we try again.

    `in_progress` says that nothing went wrong: the error is how far it is.
    `more` says that the attempt is over and that this batch is not the last: the observation, which holds the outcome,
    comes with the last. `metrics_offset` is None where no records were read. `connection_error` is why the connection
    did not answer, or not to us, which says nothing of the attempt; `poll_seconds` is how soon to look again where
    nothing speeds it up; `looks_before_lost` how often in a row an observation has to say LOST before it is believed.
    """

    observation: Observation | None
    error: str = ""
    in_progress: bool = False
    log: LogChunk | None = None
    metrics: tuple[MetricRecord, ...] = ()
    metrics_offset: int | None = None
    evaluations: tuple[EvaluationRecord, ...] = ()
    plan: RunPlan | None = None
    checkpoints: tuple[CheckpointRecord, ...] | None = None
    limits: tuple[Truncation, ...] = ()
    more: bool = False
    connection_error: ProviderError | None = None
    poll_seconds: float = 1.0
    looks_before_lost: int = 1


def poll_attempt(provider: Provider, question: PollRequest) -> Iterator[Report]:
    """Submit or cancel where that is due, then observe and read what is new, batch by batch.

    While the attempt runs that is one batch; once it is over, as many as there are. Never raises: errors are reported.
    """
    try:
        observation = _observe(provider, question)
    except (Unreachable, SecretRefused) as error:
        yield Report(None, error=_sentence(error), connection_error=error)
        return
    except NotYet as progress:
        yield Report(None, error=str(progress), in_progress=True)
        return
    except Exception as error:  # a fault in a provider must not take the sweep down with it
        yield Report(None, error=_sentence(error))
        return
    if observation.state in (AttemptState.REJECTED, AttemptState.LOST):
        told = provider.capabilities
        yield Report(observation, poll_seconds=told.poll_seconds, looks_before_lost=told.looks_before_lost)
        return
    try:
        yield from _read(provider, question, observation)
    except Gone:
        yield Report(observation)  # there is nothing to read, of one that was cancelled before it was submitted, say
    except Exception as error:
        log.warning("provider.unread", error=str(error))
        # An outcome is only applied after all that belongs to it, so that no last line is lost.
        yield Report(None, error=_sentence(error)) if observation.state in FINAL else Report(observation)


def _observe(provider: Provider, question: PollRequest) -> Observation:
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


def _read(provider: Provider, question: PollRequest, observation: Observation) -> Iterator[Report]:
    reference, position = question.submission.reference, question.position
    batch = _batch(provider, reference, position)
    while observation.state in FINAL and (reached := _reached(batch)) != position:
        yield replace(batch, more=True)
        position = reached
        batch = _batch(provider, reference, position)
    saved = provider.checkpoints(reference.account, reference.job)
    limits = (*observation.limits, *batch.limits, *saved.limits)
    yield replace(
        batch,
        observation=observation,
        checkpoints=saved.records,
        limits=limits,
        poll_seconds=provider.capabilities.poll_seconds,
    )


def _batch(provider: Provider, reference: Reference, position: ReadOffsets) -> Report:
    chunk = provider.logs(reference, position.log)
    page = provider.metrics(reference, position.metrics)
    limits = (*chunk.limits, *page.limits)
    return Report(
        None,
        log=chunk,
        metrics=page.records,
        metrics_offset=page.offset,
        evaluations=page.evaluations,
        plan=page.plan,
        limits=limits,
    )


def _reached(batch: Report) -> ReadOffsets:
    assert batch.log is not None
    assert batch.metrics_offset is not None
    return ReadOffsets(batch.log.offset, batch.metrics_offset)


def _sentence(error: Exception) -> str:
    if isinstance(error, ProviderError):
        return str(error)
    log.exception("provider.fault")
    return f"The provider failed in a way that it does not name ({type(error).__name__}: {error})."
