"""Go back to a version that was the latest before, or forward again to one that was rolled back from."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from catalog.domain.publish_version import refuse_unready
from catalog.domain.shape_lock import latest_of, lock_version, point_latest, refuse_surprise
from catalog.models import ShapeVersion
from catalog.rights import require_publisher
from wire.errors import FailedPrecondition


@transaction.atomic
def roll_back(*, actor: Actor, version: ShapeVersion, expected_latest: str | None, reason: str = "") -> ShapeVersion:
    """`version`, published earlier, becomes the latest validated one again; the one it replaces can still be pinned.

    The audit log tells which way it went, back or forward. Errors: `NotFound`, `PermissionDenied`, `Conflict` as in
    `publish_version`, `FailedPrecondition` where it was never published, is withdrawn, is the latest, or would take a
    public shape back.
    """
    require_publisher(actor, version.shape.account)
    version = lock_version(version)
    refuse_unready(version)
    before = latest_of(version.shape)
    refuse_surprise(before, expected_latest)
    if version.published_at is None:
        raise FailedPrecondition(f"{version.name} was never published, so there is no way back to it. Publish it.")
    if before and before.pk == version.pk:
        raise FailedPrecondition(f"{version.name} is the latest validated version already.")
    point_latest(version.shape, version)
    record(
        actor=actor,
        verb="roll_forward" if version.is_newer_than(before) else "roll_back",
        target=version.name,
        account=version.shape.account,
        before={"latestValidated": before.version_id if before else None},
        after={"latestValidated": version.version_id},
        reason=reason,
    )
    return version
