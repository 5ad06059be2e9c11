"""Claim an attempt that is due, so that one worker at a time talks to the provider about it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from launches.models import Attempt, Launch

LEASE = timedelta(seconds=20)
"""How long an attempt is left alone after its worker died. The token, not the lease, is what keeps results apart."""


@dataclass(frozen=True)
class Claim:
    """A claimed attempt as it was when claimed; results count only under this token."""

    token: uuid.UUID
    claimed_at: datetime
    launch: Launch
    attempt: Attempt


def due(now: datetime) -> Q:
    """Attempts that a worker may claim: unfinished, due, and not held."""
    return Q(finished_at__isnull=True, next_check_at__lte=now) & (Q(lease_until__isnull=True) | Q(lease_until__lte=now))


@transaction.atomic
def claim_attempt(attempt_pk: int, *, now: datetime) -> Claim | None:
    """Take the lease, or answer None where the attempt is over, not due, or held by another worker."""
    attempt = (
        Attempt.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("launch__account")
        .defer("log_tail")
        .filter(due(now), pk=attempt_pk)
        .first()
    )
    if attempt is None:
        return None
    token = uuid.uuid4()
    attempt.lease_token, attempt.lease_until = token, now + LEASE
    attempt.save(update_fields=["lease_token", "lease_until"])
    return Claim(token, now, attempt.launch, attempt)
