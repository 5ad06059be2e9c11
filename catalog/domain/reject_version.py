"""End a validation that failed."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from catalog.domain.move_version import move_version
from catalog.domain.shape_lock import lock_version
from catalog.models import ShapeVersion
from catalog.rights import require_publisher
from catalog.states import VersionState


@transaction.atomic
def reject_version(*, actor: Actor, version: ShapeVersion, reason: str) -> ShapeVersion:
    """VALIDATING to REJECTED; it can be validated again as it stands, or be the start of a new draft.

    Errors: `NotFound`, `PermissionDenied`, `FailedPrecondition` where it is not being validated.
    """
    require_publisher(actor, version.shape.account)
    version = lock_version(version)
    before = version.state
    move_version(version, VersionState.REJECTED)
    record(
        actor=actor,
        verb="reject_version",
        target=version.name,
        account=version.shape.account,
        before={"state": before},
        after={"state": version.state},
        reason=reason,
    )
    return version
