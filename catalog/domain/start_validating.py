"""Freeze a version and have it validated."""

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
def start_validating(*, actor: Actor, version: ShapeVersion) -> ShapeVersion:
    """DRAFT or REJECTED to VALIDATING; from now on nothing that it freezes changes.

    Errors: `NotFound`, `PermissionDenied`, `FailedPrecondition` where it is validating or validated already.
    """
    require_publisher(actor, version.shape.account)
    version = lock_version(version)
    before = version.state
    move_version(version, VersionState.VALIDATING)
    record(
        actor=actor,
        verb="start_validating",
        target=version.name,
        account=version.shape.account,
        before={"state": before},
        after={"state": version.state, "digest": version.digest},
    )
    return version
