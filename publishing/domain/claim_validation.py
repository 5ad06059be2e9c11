"""Claim a validation that is due, so that one worker at a time takes it further."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from publishing.log import append_fault
from publishing.models import Validation

LEASE = timedelta(seconds=20)
"""How long a validation is left alone after its worker died. The token, not the lease, is what keeps results apart."""


@dataclass(frozen=True)
class Claim:
    """A claimed validation as it was when claimed, its version and launch loaded; results count under this token."""

    token: uuid.UUID
    validation: Validation


def due(now: datetime) -> Q:
    """Validations that a worker may claim: unfinished, due, and not held."""
    return Q(finished_at__isnull=True, next_check_at__lte=now) & (Q(lease_until__isnull=True) | Q(lease_until__lte=now))


@transaction.atomic
def claim_validation(validation_pk: int, *, now: datetime) -> Claim | None:
    """Take the lease, or answer None where the validation is over, not due, or held by another worker.

    A token that is still there was left by a worker that died at the step, or takes too long; the log says so.
    """
    validation = (
        Validation.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("version__shape__account", "version__shape__base_model__account", "launch", "requested_by")
        .filter(due(now), pk=validation_pk)
        .first()
    )
    if validation is None:
        return None
    if validation.lease_token is not None:
        append_fault(validation, f"Its worker did not come back within {LEASE.seconds} s.", now=now)
    token = uuid.uuid4()
    validation.lease_token, validation.lease_until = token, now + LEASE
    validation.save(update_fields=["lease_token", "lease_until", "log"])
    return Claim(token, validation)
