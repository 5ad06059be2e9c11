"""Make validations for tests, through the same verbs that people's go through, and play the worker and the provider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.actors import user_actor
from accounts.models import User
from accounts.roles import Role
from catalog.models import ShapeVersion
from catalog.states import VersionState
from connections.providers.attempts import Observation
from connections.providers.states import AttemptState
from connections.providers.telemetry import LogChunk, MetricRecord
from launches.domain.apply_report import apply_report
from launches.domain.claim_attempt import claim_attempt
from launches.models import Attempt, Launch
from launches.poll import Report
from publishing.domain.advance_validation import advance_validation
from publishing.domain.request_validation import request_validation
from publishing.models import Validation
from tests.launches.makers import attempt_of, make_tiny_version, metric
from tests.makers import make_account, make_member

CONTEXT = 2048


def make_publisher(role: Role = Role.PUBLISHER) -> User:
    """A publisher of account local, where the tiny shapes are."""
    return make_member(account=make_account(account_id="local"), role=role)


def make_draft(**facts: Any) -> ShapeVersion:
    """A draft that the local provider can run."""
    return make_tiny_version(**{"state": VersionState.DRAFT} | facts)


def make_validation(*, version: ShapeVersion | None = None, user: User | None = None) -> Validation:
    """A queued validation, of a new draft where no version is given."""
    actor = user_actor(user or make_publisher())
    return request_validation(actor=actor, version=version or make_draft(), now=timezone.now())


def step(validation: Validation) -> timedelta | None:
    """One step of the worker, with the validation due and nobody else's."""
    Validation.objects.filter(pk=validation.pk).update(next_check_at=timezone.now(), lease_until=None)
    delay = advance_validation(validation.pk)
    validation.refresh_from_db()
    return delay


def running(*, version: ShapeVersion | None = None, user: User | None = None) -> Validation:
    """A validation whose launch is made."""
    validation = make_validation(version=version, user=user)
    for _ in range(3):
        step(validation)
    assert validation.state == "RUNNING", validation.outcome
    return validation


def launch_of(validation: Validation) -> Launch:
    """The launch that it made."""
    validation.refresh_from_db()
    assert validation.launch is not None
    return validation.launch


def say(
    validation: Validation, state: AttemptState, *, metrics: Sequence[MetricRecord] = (), log: str = "", **facts: Any
) -> None:
    """The provider's next word on the validation's launch."""
    attempt = attempt_of(launch_of(validation))
    Attempt.objects.filter(pk=attempt.pk).update(next_check_at=timezone.now(), lease_until=None)
    claim = claim_attempt(attempt.pk, now=timezone.now())
    assert claim is not None
    chunk = LogChunk(log, attempt.log_offset + len(log)) if log else None
    report = Report(Observation(state=state, **facts), metrics=tuple(metrics), log=chunk)
    apply_report(claim, report, now=timezone.now())


def records(steps: int = 20, *, context: int = CONTEXT) -> list[MetricRecord]:
    """What a run of that many steps recorded: the loss falls from 6 by 0.1 a step, the last but one is the longest."""
    longest = max(0, steps - 2)
    return [
        replace(
            metric(number + 1, 6 - number / 10),
            seconds=9.0 if number == 0 else 0.5,
            longest_context=context if number == longest else 256,
        )
        for number in range(steps)
    ]


def complete(validation: Validation, found: Sequence[MetricRecord] | None = None) -> None:
    """Let its launch run and end well, and the worker look at it."""
    say(validation, AttemptState.CREATING)
    say(validation, AttemptState.RUNNING, ready=True)
    say(validation, AttemptState.COMPLETED, metrics=records() if found is None else found)
    step(validation)
