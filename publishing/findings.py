"""What the next step of a validation finds out. Reads and launches, and writes no validation.

Repeated after a crash it finds the same: the launch has the validation's own key, so there is one, however often it is
asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from accounts.actors import user_actor
from catalog.fields.checks import problems, warnings
from catalog.labels import duration_label
from connections.models import Connection
from connections.opened import open_provider
from connections.providers.errors import ProviderError
from connections.providers.spec import TrainerSpec
from connections.providers.states import AttemptState
from launches.domain.create_launch import create_launch
from launches.models import Attempt, Event, Launch
from launches.offers import refusal_sentence
from launches.pages.stepper import LABELS
from launches.validation_runs import ValidationRun, validation_offer
from publishing.evidence import measure, shortcomings, summary
from publishing.models import Validation
from publishing.states import ValidationState
from wire.counts import quantity
from wire.errors import Refusal, ResourceExhausted, Violation

_S = ValidationState
LOG_LINES = 15
"""Of the trainer's log, beside a failure."""


@dataclass(frozen=True)
class LogEntry:
    """A line of the log; `level` is info, warning, error, or fault where a step broke and is repeated."""

    text: str
    level: str = "info"


@dataclass(frozen=True)
class ValidationStep:
    """Where the validation stands now, with `outcome` where that is final; `facts` are columns of `Validation`."""

    state: ValidationState
    outcome: str = ""
    lines: tuple[LogEntry, ...] = ()
    launch: Launch | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def launch_key(validation: Validation) -> str:
    """The idempotency key of the validation's launch."""
    return f"validation-{validation.uid.hex}"


def find_next(validation: Validation, *, now: datetime) -> ValidationStep:
    """Take the validation one step further, or end it where its time is over."""
    state = ValidationState(validation.state)
    if state is _S.RUNNING:
        return _watch(validation, now=now)
    if late := _late(validation, None, now=now):
        return _failed(late)
    match state:
        case _S.QUEUED:
            return ValidationStep(_S.STATIC, lines=(LogEntry("Checking figures, parallelism and launch fields"),))
        case _S.STATIC:
            return _check(validation)
        case _:
            return _launch(validation)


def _late(validation: Validation, begun: datetime | None, *, now: datetime) -> str:
    """Why its time is over, given when its trainer was started; "" while it is not.

    The wait for a place has a limit of its own, since a full queue says nothing about the version.
    """
    since, minutes = begun or validation.created_at, settings.SLIPWAY_VALIDATION_WAIT
    words = "Its trainer was not started within {} (SLIPWAY_VALIDATION_WAIT), so it was stopped."
    if begun:
        minutes = settings.SLIPWAY_VALIDATION_TIMEOUT
        words = "It did not end within {} of its trainer's start (SLIPWAY_VALIDATION_TIMEOUT), so it was stopped."
    limit = timedelta(minutes=minutes)
    return words.format(duration_label(int(limit.total_seconds()))) if now - since > limit else ""


def _failed(outcome: str, *lines: LogEntry) -> ValidationStep:
    return ValidationStep(_S.FAILED, outcome, (LogEntry(outcome, "error"), *lines))


def _check(validation: Validation) -> ValidationStep:
    version = validation.version
    snapshot = version.frozen_snapshot
    found = problems(snapshot, version.fields, version.fields_edition)
    if found:
        number = quantity(len(found), "problem")
        return _failed(f"The static checks found {number}.", *(LogEntry(_told(v), "error") for v in found))
    doubtful = warnings(snapshot, model_parameters=version.shape.base_model.parameter_count)
    doubts = tuple(LogEntry(_told(violation), "warning") for violation in doubtful)
    return ValidationStep(_S.LAUNCHING, lines=(LogEntry("The static checks found nothing wrong"), *doubts))


def _told(violation: Violation) -> str:
    return f"{violation.field}: {violation.description}"


def _launch(validation: Validation) -> ValidationStep:
    version, validation_run = validation.version, ValidationRun(validation.steps or 1)
    if validation.requested_by is None:
        return _failed(f"{validation.requested_label}, who asked for it, is gone. Ask for it again.")
    try:
        offer = validation_offer(version, validation_run)
        if offer.connection is None:
            return _failed(refusal_sentence(offer))
        launch = create_launch(
            actor=user_actor(validation.requested_by),
            account=version.shape.account,
            version=version,
            inputs={},
            idempotency_key=launch_key(validation),
            validation_run=validation_run,
        )
    except ResourceExhausted:  # says nothing about the version, so it waits
        return ValidationStep(_S.LAUNCHING)
    except Refusal as refusal:
        return _failed(f"It could not be launched. {refusal.message}")
    line = LogEntry(f"{offer.connection} runs it: {validation_run.steps} steps, one of them at the full context")
    return ValidationStep(_S.RUNNING, lines=(line,), launch=launch, facts=_of_spec(launch))


def _of_spec(launch: Launch) -> dict[str, Any]:
    spec = TrainerSpec.from_json(launch.spec)
    return {
        "provider": launch.connection.name,
        "image": spec.trainer_image_tag or "",
        "accelerator_type": spec.accelerator_type or "",
        "gpus": spec.trainer_gpus,
    }


def _watch(validation: Validation, *, now: datetime) -> ValidationStep:
    """Judge the launch's attempt once it is over; it is the only one, since nobody resumes a validation."""
    attempt = Attempt.objects.select_related("launch__connection").get(launch=validation.launch_id, number=1)
    state = AttemptState(attempt.state)
    if not attempt.is_final:
        if late := _late(validation, _begun(attempt), now=now):
            return _failed(late)
        if closed := _closed(attempt.launch.connection):
            return _failed(closed)
        return ValidationStep(_S.RUNNING)
    if state is AttemptState.COMPLETED:
        return _judge(validation, attempt)
    detail, _, _ = attempt.detail.partition("\n")
    return _failed(f"Its launch ended as {LABELS[state].lower()}. {detail}".strip(), *_end_of_log(attempt))


def _closed(connection: Connection) -> str:
    """Why nothing can be learnt of what runs there any more; "" where it can."""
    try:
        open_provider(connection)
    except ProviderError as error:
        return f"{connection}: {error}"
    return ""


def _judge(validation: Validation, attempt: Attempt) -> ValidationStep:
    records = list(attempt.metrics.order_by("number"))
    spec = TrainerSpec.from_json(attempt.launch.spec)
    forward_only = bool(records) and all(record.learning_rate is None for record in records)
    measured = measure(records, forward_only=forward_only)
    facts = asdict(measured) | {
        "seconds_to_ready": _seconds_to_ready(attempt),
        "nodes": attempt.remote_nodes,
        "gpus_had": attempt.remote_gpus,
    }
    lacking = list(shortcomings(records, steps=validation.steps or 1, context=spec.max_context_length))
    if lacking:
        lines = (*(LogEntry(reason, "error") for reason in lacking), *_end_of_log(attempt))
        return ValidationStep(_S.FAILED, " ".join(lacking), lines, facts=facts)
    outcome = summary(measured)
    return ValidationStep(_S.PASSED, outcome, (LogEntry(outcome),), facts=facts)


def _end_of_log(attempt: Attempt) -> tuple[LogEntry, ...]:
    tail = "\n".join(attempt.log_tail.rstrip().splitlines()[-LOG_LINES:])
    return (LogEntry(f"The trainer's last lines:\n{tail}", "error"),) if tail else ()


def _begun(attempt: Attempt) -> datetime | None:
    """When the provider began to prepare or run it, after any wait for a place; None where it was not seen to."""
    begun = _events(attempt).filter(kind="state", data__state__in=[AttemptState.CREATING, AttemptState.RUNNING])
    return begun.order_by("sequence").values_list("created_at", flat=True).first()


def _events(attempt: Attempt) -> QuerySet[Event]:
    return Event.objects.filter(launch_id=attempt.launch_id, attempt_number=attempt.number)


def _seconds_to_ready(attempt: Attempt) -> float | None:
    """From the provider's start, without the wait for a place, to the first answer or the first step."""
    start, events = _begun(attempt), _events(attempt)
    ready = events.filter(kind="ready").order_by("sequence").values_list("created_at", flat=True).first()
    first = attempt.metrics.order_by("number").values_list("recorded_at", "seconds").first()
    stepped = [first[0] - timedelta(seconds=first[1] or 0)] if first else []
    ends = [*([ready] if ready else []), *stepped]
    return max(0.0, (min(ends) - start).total_seconds()) if start and ends else None
