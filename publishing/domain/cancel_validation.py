"""Stop a validation."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.actors import Actor
from catalog.domain.shape_lock import lock_version
from catalog.rights import require_publisher
from publishing.domain.end_validation import end_validation
from publishing.findings import LogEntry
from publishing.models import Validation
from publishing.states import ValidationState
from wire.errors import FailedPrecondition


@transaction.atomic
def cancel_validation(*, actor: Actor, validation: Validation, now: datetime) -> None:
    """End it as failed, with its launch; a version that it was to validate is rejected.

    Errors: `NotFound`, `PermissionDenied`, `FailedPrecondition` where it is over.
    """
    require_publisher(actor, validation.version.shape.account)
    version = lock_version(validation.version)
    locked = Validation.objects.select_for_update().get(pk=validation.pk)
    if locked.is_final:
        raise FailedPrecondition(f"Validation {locked.number} has {locked.state.lower()}; there is nothing to stop.")
    outcome = f"Stopped by {actor.label}."
    lines = (LogEntry(outcome, "warning"),)
    end_validation(locked, version, ValidationState.FAILED, outcome, lines=lines, now=now, actor=actor)
