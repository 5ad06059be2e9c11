"""Apply one batch of what was read of a claimed attempt: log, records, checkpoints, and which limits were met.

Each batch is a transaction of its own and moves the attempt's offsets along, so that a worker that dies loses one
batch, and whoever else wants the launch waits for one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.actors import SYSTEM
from connections.providers.attempts import Truncation
from launches.domain.append_event import TimelineLine, append_events
from launches.domain.claim_attempt import AttemptClaim, hold_attempt
from launches.domain.mirror_checkpoints import mirror_checkpoints
from launches.live.wake import wake
from launches.models import Attempt, Evaluation, Launch, Metric
from launches.poll import LOG_TAIL_CHARACTERS, Report

BATCH = 1000


@transaction.atomic
def apply_reading(claim: AttemptClaim, report: Report) -> bool:
    """Write the batch and keep the lease; False where another worker has taken the attempt since."""
    held = hold_attempt(claim)
    if held is None:
        return False
    launch, attempt = held
    write_reading(launch, attempt, report, claim.claimed_at)
    attempt.save()
    wake(launch)
    return True


@transaction.atomic
def put_off(claim: AttemptClaim, *, due: datetime, heard_at: datetime | None = None) -> timedelta | None:
    """Give the lease back unfinished: while the connection is left alone or, just heard of, between two batches."""
    held = hold_attempt(claim)
    if held is None:
        return None
    _, attempt = held
    if heard_at is not None:
        attempt.failures, attempt.observed_at = 0, heard_at
    attempt.give_back(due=due)
    attempt.save()
    return max(timedelta(), due - timezone.now())


def write_reading(launch: Launch, attempt: Attempt, report: Report, asked_at: datetime) -> None:
    """Write the batch to the locked rows; the caller saves the attempt. Repeated, it changes nothing."""
    if report.log is not None and report.log.offset > attempt.log_offset:
        text = attempt.log_tail + report.log.text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
        attempt.log_tail, attempt.log_offset = text[-LOG_TAIL_CHARACTERS:], report.log.offset
    fresh = [record for record in report.metrics if record.number > attempt.metrics_read]
    if fresh:
        rows = [Metric(attempt=attempt, **asdict(record)) for record in fresh]
        Metric.objects.bulk_create(rows, ignore_conflicts=True, batch_size=BATCH)
        attempt.metrics_read = fresh[-1].number
        launch.last_loss, launch.last_step = fresh[-1].loss_per_token, fresh[-1].step
        launch.save(update_fields=["last_loss", "last_step"])
    if report.evaluations:
        told = [Evaluation(attempt=attempt, **asdict(record)) for record in report.evaluations]
        Evaluation.objects.bulk_create(told, ignore_conflicts=True, batch_size=BATCH)
    if report.plan:
        launch.plan = asdict(report.plan)
        launch.save(update_fields=["plan"])
    if report.metrics_offset is not None:
        attempt.metrics_offset = report.metrics_offset
    if report.checkpoints is not None:
        mirror_checkpoints(launch, report.checkpoints, asked_at=asked_at)
    _say_limits(launch, report.limits)


def _say_limits(launch: Launch, limits: Iterable[Truncation]) -> None:
    """Each limit once an attempt, however often it is met."""
    met = {limit.name: limit.message for limit in limits}
    if met:
        said = launch.events.filter(kind="limit", attempt_number=launch.attempt_count)
        told = set(said.values_list("data__limit", flat=True))
        fresh = [TimelineLine("limit", message, {"limit": name}) for name, message in met.items() if name not in told]
        append_events(launch, fresh, actor=SYSTEM)
