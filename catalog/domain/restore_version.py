"""Lift a deprecation."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from catalog.domain.deprecate_version import deprecation_of
from catalog.domain.shape_lock import lock_version
from catalog.models import ShapeVersion
from catalog.rights import require_publisher
from wire.errors import FailedPrecondition


@transaction.atomic
def restore_version(*, actor: Actor, version: ShapeVersion, reason: str = "") -> ShapeVersion:
    """Launches from it are no longer warned.

    Errors: `NotFound`, `PermissionDenied`, `FailedPrecondition` where it is not deprecated.
    """
    require_publisher(actor, version.shape.account)
    version = lock_version(version)
    if version.deprecated_at is None:
        raise FailedPrecondition(f"{version.name} is not deprecated.")
    before = deprecation_of(version)
    version.deprecated_at, version.deprecation_message = None, ""
    version.successor = version.successor_version = None
    version.save(update_fields=["deprecated_at", "deprecation_message", "successor", "successor_version"])
    record(
        actor=actor,
        verb="restore_version",
        target=version.name,
        account=version.shape.account,
        before=before,
        after=deprecation_of(version),
        reason=reason,
    )
    return version
