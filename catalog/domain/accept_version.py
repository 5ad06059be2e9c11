"""Call a version validated."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from catalog.domain.move_version import move_version
from catalog.domain.shape_lock import lock_version
from catalog.fields.checks import problems
from catalog.models import ShapeVersion
from catalog.rights import require_publisher
from catalog.states import VersionState
from wire.errors import InvalidArgument


@transaction.atomic
def accept_version(*, actor: Actor, version: ShapeVersion, reason: str) -> ShapeVersion:
    """To VALIDATED, on the evidence of a validation or, from DRAFT or REJECTED, by hand; `reason` says which.

    Errors: `NotFound`, `PermissionDenied`, `FailedPrecondition` where it is validated already, `InvalidArgument` where
    the static checks find something.
    """
    require_publisher(actor, version.shape.account)
    version = lock_version(version)
    if found := problems(version.frozen_snapshot, version.fields, version.fields_edition):
        raise InvalidArgument(found)
    before = version.state
    move_version(version, VersionState.VALIDATED)
    record(
        actor=actor,
        verb="accept_version",
        target=version.name,
        account=version.shape.account,
        before={"state": before},
        after={"state": version.state, "digest": version.digest},
        reason=reason,
    )
    return version
