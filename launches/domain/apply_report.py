"""Apply what a provider said of a claimed attempt, in one transaction, under the claim's token."""

from __future__ import annotations

import random
from dataclasses import asdict
from datetime import datetime, timedelta

from django.db import transaction

from accounts.actors import SYSTEM
from launches.consult import LOG_TAIL_CHARACTERS, Report
from launches.domain.append_event import append_event
from launches.domain.claim_attempt import Claim
from launches.domain.end_unclaimed import end_unclaimed, unclaimed_sentence
from launches.domain.mirror_checkpoints import mirror_checkpoints
from launches.domain.move import move
from launches.hints import PURGE, hint_on_commit
from launches.models import Attempt, Launch, Metric
from launches.providers.base import Observation
from launches.states import AttemptState, Reason, may_move
from launches.wake import wake

POLL = timedelta(seconds=1)
LONGEST_WAIT = timedelta(seconds=10)
"""Between two looks at an attempt that is far back in the queue."""
LONGEST_BACKOFF = timedelta(minutes=1)


@transaction.atomic
def apply_report(claim: Claim, report: Report, *, now: datetime) -> timedelta | None:
    """Write the report and give the lease back.

    Answers the time until the next check, None where the attempt is over or the token is stale: then another worker has
    taken it since, and this report is dropped.
    """
    launch = Launch.objects.select_for_update(of=("self",)).select_related("account").get(pk=claim.launch.pk)
    # The log is read, and so written back, only where there is more of it.
    attempt = Attempt.objects.select_for_update().defer("log_tail").get(pk=claim.attempt.pk)
    if attempt.lease_token != claim.token:
        return None
    attempt.lease_token = attempt.lease_until = None
    before = _visible(attempt)
    if report.observation is None:
        delay = _note_failure(launch, attempt, report.error)
    else:
        delay = min(LONGEST_WAIT, POLL * (report.observation.queue_position or 1))
        attempt.failures, attempt.observed_at = 0, now
        _apply_reading(launch, attempt, report, claim.claimed_at)
        _apply_observation(launch, attempt, report.observation, now)
    if attempt.is_final:
        if launch.deleted_at is not None:
            hint_on_commit(PURGE, launch.pk)
        return None
    attempt.next_check_at = now + delay
    if attempt.cancel_requested_at != claim.attempt.cancel_requested_at:
        attempt.next_check_at, delay = now, timedelta()  # somebody cancelled while we talked: see to it at once
    attempt.save()
    if report.metrics or _visible(attempt) != before:
        wake(launch)
    return delay


def _visible(attempt: Attempt) -> tuple[object, ...]:
    return (
        attempt.state,
        attempt.ready,
        attempt.detail,
        attempt.queue_position,
        attempt.log_offset,
        attempt.endpoint,
        attempt.failures,
    )


def _note_failure(launch: Launch, attempt: Attempt, error: str) -> timedelta:
    """Retry with jittered backoff: 1 s, 2 s, 4 s ... up to a minute; the timeline tells of the first one only."""
    attempt.failures += 1
    attempt.detail = f"{error} Tried {attempt.failures} times; trying again."
    if attempt.failures == 1:
        append_event(launch, kind="provider", message=f"The provider did not answer: {error}", actor=SYSTEM)
    seconds = min(LONGEST_BACKOFF.total_seconds(), 2 ** min(attempt.failures - 1, 10))
    return timedelta(seconds=seconds * random.uniform(0.75, 1.25))  # noqa: S311


def _apply_reading(launch: Launch, attempt: Attempt, report: Report, asked_at: datetime) -> None:
    if report.log is not None and report.log.offset > attempt.log_offset:
        attempt.log_tail = (attempt.log_tail + report.log.text.replace("\x00", "\N{REPLACEMENT CHARACTER}"))[
            -LOG_TAIL_CHARACTERS:
        ]
        attempt.log_offset = report.log.offset
    fresh = [record for record in report.metrics if record.number > attempt.metrics_read]
    if fresh:
        rows = [Metric(attempt=attempt, **asdict(record)) for record in fresh]
        Metric.objects.bulk_create(rows, ignore_conflicts=True)
        attempt.metrics_read = fresh[-1].number
    if report.checkpoints is not None:
        mirror_checkpoints(launch, report.checkpoints, asked_at=asked_at)


def _apply_observation(launch: Launch, attempt: Attempt, seen: Observation, now: datetime) -> None:
    for line in seen.progress:
        if line.number > attempt.progress_read:
            append_event(launch, kind="progress", message=line.message, actor=SYSTEM)
            attempt.progress_read = line.number
    if seen.resumed_from and not attempt.resume_from:
        attempt.resume_from = seen.resumed_from
        append_event(launch, kind="resume", message=f"Goes on from checkpoint {seen.resumed_from}", actor=SYSTEM)
    attempt.submitted_at = attempt.submitted_at or (None if seen.state is AttemptState.REJECTED else now)
    current = AttemptState(attempt.state)
    attempt.queue_position, attempt.endpoint = seen.queue_position, seen.endpoint
    answers = seen.ready and seen.state is AttemptState.RUNNING
    became_ready = answers and not attempt.ready
    attempt.ready = answers
    attempt.ready_at = (attempt.ready_at or now) if answers else None
    _note_session(launch, seen, now)
    if seen.state is not current and may_move(current, seen.state):
        _move_as_seen(launch, attempt, seen, now)
    else:
        attempt.detail = seen.detail
    if became_ready and attempt.ready:
        append_event(launch, kind="ready", message="Ready: the trainer answers", actor=SYSTEM)
        wake(launch)
    end_unclaimed(launch, attempt, seen, now=now)


def _note_session(launch: Launch, seen: Observation, now: datetime) -> None:
    if seen.session_opened and launch.claimed_at is None:
        launch.claimed_at = now
        launch.save(update_fields=["claimed_at"])
        append_event(launch, kind="session", message="A client opened its first session", actor=SYSTEM)


def _move_as_seen(launch: Launch, attempt: Attempt, seen: Observation, now: datetime) -> None:
    """To the provider, whoever asked it for the end was a user; where it was Slipway, its reason is the outcome's."""
    detail, reason = seen.detail, seen.reason
    if attempt.reason == Reason.UNCLAIMED and seen.state is AttemptState.CANCELLED:
        detail, reason = unclaimed_sentence(), Reason.UNCLAIMED
    move(launch, attempt, seen.state, now=now, detail=detail, reason=reason)
