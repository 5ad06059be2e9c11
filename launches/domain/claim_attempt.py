"""Claim an attempt that is due, so that one worker at a time talks to the provider about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import BigIntegerField, DateTimeField, QuerySet

from launches.models import Attempt, Launch
from lists.prepared import Given, Prepared
from queues import leases


@dataclass(frozen=True)
class AttemptClaim:
    """A claimed attempt as it was when claimed; results count only under its lease."""

    lease: leases.Lease
    claimed_at: datetime
    launch: Launch
    attempt: Attempt


@transaction.atomic(durable=True)  # nothing else is to be left unsynced with it
def claim_attempt(attempt_pk: int, *, now: datetime, early: timedelta = leases.ON_TIME) -> AttemptClaim | None:
    """Take the lease, or answer None where the attempt is over, not due, or held by another worker.

    What is due within `early` counts as due.
    """
    attempt = _DUE.first(attempt=attempt_pk, now=now, by=now + early)
    if attempt is None:
        return None
    leases.leave_unsynced()
    _, lease, _ = leases.take(attempt, now=now)
    return AttemptClaim(lease, now, attempt.launch, attempt)


def _due() -> QuerySet[Attempt]:
    rows = Attempt.objects.select_related("launch__account", "launch__connection").defer("log_tail")
    is_due = leases.due_by(Given("now", DateTimeField()), Given("by", DateTimeField()))
    return leases.locked(rows).filter(is_due, pk=Given("attempt", BigIntegerField()))


_DUE = Prepared(_due)


def hold_attempt(claim: AttemptClaim) -> tuple[Launch, Attempt] | None:
    """The launch and its attempt, both locked; None where another worker has taken the attempt since.

    The log is left out: it is read, and so written back, only where there is more of it.
    """
    launch = _LAUNCH.first(launch=claim.launch.pk)
    attempt = _ATTEMPT.first(attempt=claim.attempt.pk)
    if launch is None or attempt is None or attempt.lease_token != claim.lease.token:
        return None
    return launch, attempt


def _launch() -> QuerySet[Launch]:
    held = Launch.objects.select_for_update(of=("self",)).select_related("account", "connection")
    return held.filter(pk=Given("launch", BigIntegerField()))


def _attempt() -> QuerySet[Attempt]:
    return Attempt.objects.select_for_update().defer("log_tail").filter(pk=Given("attempt", BigIntegerField()))


_LAUNCH, _ATTEMPT = Prepared(_launch), Prepared(_attempt)
