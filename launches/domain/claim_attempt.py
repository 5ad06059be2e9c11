"""Claim an attempt that is due, so that one worker at a time talks to the provider about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from launches.models import Attempt, Launch
from queues import leases


@dataclass(frozen=True)
class AttemptClaim:
    """A claimed attempt as it was when claimed; results count only under its lease."""

    lease: leases.Lease
    claimed_at: datetime
    launch: Launch
    attempt: Attempt


@transaction.atomic
def claim_attempt(attempt_pk: int, *, now: datetime, early: timedelta = leases.ON_TIME) -> AttemptClaim | None:
    """Take the lease, or answer None where the attempt is over, not due, or held by another worker.

    What is due within `early` counts as due.
    """
    rows = Attempt.objects.select_related("launch__account", "launch__connection").defer("log_tail")
    claimed = leases.claim(rows, attempt_pk, now=now, early=early)
    if claimed is None:
        return None
    attempt, lease, _ = claimed
    return AttemptClaim(lease, now, attempt.launch, attempt)


def hold_attempt(claim: AttemptClaim) -> tuple[Launch, Attempt] | None:
    """The launch and its attempt, both locked; None where another worker has taken the attempt since.

    The log is left out: it is read, and so written back, only where there is more of it.
    """
    launch = (
        Launch.objects.select_for_update(of=("self",)).select_related("account", "connection").get(pk=claim.launch.pk)
    )
    attempt = Attempt.objects.select_for_update().defer("log_tail").get(pk=claim.attempt.pk)
    return (launch, attempt) if attempt.lease_token == claim.lease.token else None
