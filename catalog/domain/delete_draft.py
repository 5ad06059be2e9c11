"""Throw a draft or a rejected version away."""

from __future__ import annotations

from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from accounts.actors import Actor
from accounts.domain.record import record
from catalog.domain.shape_lock import lock_version
from catalog.models import ShapeVersion
from catalog.rights import require_publisher
from catalog.states import VersionState
from wire.errors import FailedPrecondition


@transaction.atomic
def delete_draft(*, actor: Actor, version: ShapeVersion, reason: str = "") -> None:
    """Delete a version that was never validated and that no launch refers to.

    Errors: `NotFound`, `PermissionDenied`, `FailedPrecondition`.
    """
    require_publisher(actor, version.shape.account)
    version = lock_version(version)
    if version.state not in {VersionState.DRAFT, VersionState.REJECTED}:
        raise FailedPrecondition(
            f"{version.name} is {version.state.lower()}; withdraw it instead, or delete its shape."
        )
    name, digest, shape = version.name, version.digest, version.shape
    try:
        with transaction.atomic():
            version.delete()
            connection.check_constraints()  # a launch that was made meanwhile is told now, not at the commit
    except (ProtectedError, IntegrityError):
        raise FailedPrecondition(f"Launches refer to {name}, its validation's among them, so it is kept.") from None
    record(
        actor=actor,
        verb="delete_draft",
        target=name,
        account=shape.account,
        before={"digest": digest},
        reason=reason,
    )
