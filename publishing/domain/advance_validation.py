"""Take one validation one step further: claim, find out, write down; a step that breaks is repeated a few times."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from accounts.actors import SYSTEM
from catalog.domain.shape_lock import lock_version
from launches.domain.cancel_launch import cancel_launch
from launches.models import Launch
from publishing.domain.claim_validation import ValidationClaim, claim_validation
from publishing.domain.end_validation import end_validation
from publishing.findings import LogEntry, ValidationStep, find_next
from publishing.log import append, append_fault, newest_fault
from publishing.models import Validation
from publishing.states import FINAL, ValidationState, may_move
from queues import leases
from wire.errors import FailedPrecondition, InvalidArgument, NotFound

log = structlog.get_logger(__name__)
POLL = timedelta(seconds=1)
MOST_TRIES = 5
"""Of a step that breaks in Slipway itself."""


def advance_validation(validation_pk: int) -> timedelta | None:
    """One step. Answers when the next one is due; None where there is none, or where another worker sees to it."""
    claim = claim_validation(validation_pk, now=timezone.now())
    if claim is None:
        return None
    with claim.lease.kept():
        try:
            return _advance(claim)
        except Exception as error:  # whatever it is, the page says so, and it does not go on for ever
            log.exception("validation.fault", validation=claim.validation.pk)
            return note_fault(claim, error, now=timezone.now())


def _advance(claim: ValidationClaim) -> timedelta | None:
    broken = claim.validation.failures
    if broken >= MOST_TRIES:
        outcome = f"A step of it broke {broken} times in a row, so it was stopped. {newest_fault(claim.validation)}"
        finding = ValidationStep(ValidationState.FAILED, outcome, (LogEntry(outcome, "error"),))
    else:
        finding = find_next(claim.validation, now=timezone.now())
    try:
        return apply_finding(claim, finding, now=timezone.now())
    except InvalidArgument as refusal:  # what was run does not pass the static checks of today
        unfit = ValidationStep(ValidationState.FAILED, refusal.message, (LogEntry(refusal.message, "error"),))
        return apply_finding(claim, unfit, now=timezone.now())


@transaction.atomic
def apply_finding(claim: ValidationClaim, finding: ValidationStep, *, now: datetime) -> timedelta | None:
    """Write the finding and give the lease back.

    Answers the time until the next step, None where it is over or the token is stale: then this finding is dropped, and
    a launch that it made for a validation that was ended meanwhile is cancelled.
    """
    try:
        version = lock_version(claim.validation.version)
    except NotFound:
        _abandon(finding.launch)
        return None
    validation = Validation.objects.select_for_update().filter(pk=claim.validation.pk).first()
    if validation is None or validation.is_final:
        _abandon(finding.launch)
        return None
    current = ValidationState(validation.state)
    if validation.lease_token != claim.lease.token:
        return None
    for column, value in finding.facts.items():
        setattr(validation, column, value)
    validation.launch = finding.launch or validation.launch
    validation.started_at = validation.started_at or now
    if finding.state in FINAL:
        end_validation(validation, version, finding.state, finding.outcome, lines=finding.lines, now=now)
        return None
    assert finding.state is current or may_move(current, finding.state)
    validation.state = finding.state
    mended = [LogEntry("This try went through")] if validation.failures else []
    append(validation, [*mended, *finding.lines], now=now)
    delay = POLL if finding.state is current else timedelta()
    validation.failures = 0
    validation.give_back(due=now + delay)
    validation.save()
    return delay


@transaction.atomic
def note_fault(claim: ValidationClaim, error: Exception, *, now: datetime) -> timedelta | None:
    """Write down that the step broke, and give the lease back for another try, later each time in a row.

    Answers the time until then, None where the validation was ended meanwhile or the token is stale.
    """
    held = Validation.objects.select_for_update().filter(
        pk=claim.validation.pk, lease_token=claim.lease.token, finished_at__isnull=True
    )
    validation = held.first()
    if validation is None:
        return None
    validation.failures += 1
    append_fault(validation, f"{type(error).__name__}: {error}", now=now)
    delay = leases.backoff(validation.failures)
    validation.give_back(due=now + delay)
    validation.save()
    return delay


def _abandon(launch: Launch | None) -> None:
    if launch is not None:
        with suppress(FailedPrecondition):  # it is over
            cancel_launch(actor=SYSTEM, launch=launch)
