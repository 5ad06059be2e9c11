"""Delete a shape with all of its versions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from django.db import IntegrityError, connection, transaction
from django.db.models import Model, ProtectedError

from accounts.actors import Actor
from accounts.domain.record import record
from catalog.domain.shape_lock import lock_shape
from catalog.models import ShapeVersion, TrainingShape
from catalog.rights import require_publisher
from catalog.states import VersionState
from wire.errors import Conflict, FailedPrecondition


@transaction.atomic
def delete_shape(*, actor: Actor, shape: TrainingShape, expected: str | None = None, reason: str = "") -> None:
    """Delete what no launch refers to, nor any deprecated version as its successor; all versions or none.

    `expected` is the `mark_of` the versions that the publisher saw; None where nobody looked. Errors: `NotFound`,
    `PermissionDenied`, `FailedPrecondition`; `Conflict` where the versions changed in between.
    """
    require_publisher(actor, shape.account)
    shape = lock_shape(shape)
    name, account = shape.name, shape.account
    if expected not in (None, mark_of(shape)):
        raise Conflict(
            f"The versions of {name} are others now than when you looked. See what it has, and decide again."
        )
    versions = list(shape.versions.order_by("pk").values_list("version_id", "digest", "state"))
    if any(state == VersionState.VALIDATING for _, _, state in versions):
        raise FailedPrecondition(f"A version of {name} is being validated. Stop that first.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('slipway.deleting_shape', %s, true)", [str(shape.pk)])
    try:
        with transaction.atomic():
            shape.versions.all().delete()
            shape.delete()
            connection.check_constraints()  # a launch that was made meanwhile is told now, not at the commit
    except ProtectedError as error:
        raise FailedPrecondition(_told(name, error.protected_objects)) from None
    except IntegrityError:
        raise FailedPrecondition(
            f"A launch or a deprecation refers to {name} since a moment ago, so it is kept."
        ) from None
    record(
        actor=actor,
        verb="delete_shape",
        target=name,
        account=account,
        before={"versions": {version_id: digest for version_id, digest, _ in versions}},
        reason=reason,
    )


def _told(name: str, referring: Iterable[object]) -> str:
    """Why the shape is kept."""
    if any(isinstance(each, ShapeVersion) for each in referring):
        return (
            f"A deprecated version of another shape names {name} as its successor, so it is kept. Name another there."
        )
    kept = next((str(each._meta.verbose_name_plural) for each in referring if isinstance(each, Model)), "launches")
    return f"{kept.capitalize()} refer to {name}, so it is kept. Withdraw its versions to end new ones."


def mark_of(shape: TrainingShape) -> str:
    """A short text that is another one as soon as a version of the shape comes, goes, is edited or moves on."""
    facts = shape.versions.order_by("pk").values_list(
        "version_id", "digest", "state", "is_latest_validated", "is_public"
    )
    return hashlib.sha256(json.dumps(list(facts)).encode()).hexdigest()[:16]
