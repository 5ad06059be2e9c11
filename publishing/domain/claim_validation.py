"""Claim a validation that is due, so that one worker at a time takes it further."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from publishing.log import append_fault
from publishing.models import Validation
from queues import leases


@dataclass(frozen=True)
class ValidationClaim:
    """A claimed validation as it was when claimed, its version and launch loaded; results count under its lease."""

    lease: leases.Lease
    validation: Validation


@transaction.atomic
def claim_validation(validation_pk: int, *, now: datetime) -> ValidationClaim | None:
    """Take the lease, or answer None where the validation is over, not due, or held by another worker.

    That the worker before did not come back is a fault of the step, and the log says so.
    """
    validations = Validation.objects.select_related(
        "version__shape__account", "version__shape__base_model__account", "launch", "requested_by"
    )
    claimed = leases.claim(validations, validation_pk, now=now)
    if claimed is None:
        return None
    validation, lease, abandoned = claimed
    if abandoned:
        append_fault(validation, f"Its worker did not come back within {leases.LEASE.seconds} s.", now=now)
        validation.save(update_fields=["log"])
    return ValidationClaim(lease, validation)
