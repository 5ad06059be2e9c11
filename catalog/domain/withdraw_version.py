"""Take a version back: nothing is launched from it any more."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from accounts.domain.record import record
from catalog.domain.publish_version import refuse_unready
from catalog.domain.shape_lock import latest_of, lock_version, point_latest, refuse_surprise
from catalog.models import ShapeVersion
from catalog.rights import require_publisher


@transaction.atomic
def withdraw_version(
    *, actor: Actor, version: ShapeVersion, expected_latest: str | None = None, reason: str = ""
) -> ShapeVersion | None:
    """No new launches from it, for good. Where it was the latest, the shape falls back; returns to which, or None.

    Running launches go on. `expected_latest` is as in `publish_version`. Errors: `NotFound`, `PermissionDenied`,
    `Conflict` where another version became the latest in between; `FailedPrecondition` where it is not validated or
    withdrawn already.
    """
    require_publisher(actor, version.shape.account)
    version = lock_version(version)
    refuse_unready(version)
    latest = latest_of(version.shape)
    refuse_surprise(latest, expected_latest)
    successor = latest
    if version.is_latest_validated:
        successor = fallback_of(version)
        version.shape.versions.filter(pk=version.pk).update(is_latest_validated=False)
        version.is_latest_validated = False
        point_latest(version.shape, successor)
    version.withdrawn_at = timezone.now()
    version.save(update_fields=["withdrawn_at"])
    record(
        actor=actor,
        verb="withdraw_version",
        target=version.name,
        account=version.shape.account,
        before={"latestValidated": latest.version_id if latest else None},
        after={"latestValidated": successor.version_id if successor else None, "withdrawn": True},
        reason=reason,
    )
    return successor


def fallback_of(version: ShapeVersion) -> ShapeVersion | None:
    """What its shape would resolve to without it: the version published before it, never one rolled back from.

    A public version falls back to a public one only, so that nobody's shape changes into what they may not see.
    """
    older = version.shape.versions.filter(published_at__lt=version.published_at, withdrawn_at__isnull=True)
    if version.is_public:
        older = older.filter(is_public=True)
    found = older.order_by("-published_at", "-pk").first()
    if found:
        found.shape = version.shape
    return found
