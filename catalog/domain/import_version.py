"""Add a version whose facts are vouched for by the document that it comes from.

It counts as validated without a run, also where a provider could run it, which by hand is refused: a file states what
is offered already, elsewhere too, and a catalog of hundreds of shapes could not be brought in if each had to run first.
Plan, review and passport say so; a run afterwards gives the version a passport that was measured.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from catalog.domain.create_draft import free_version_id
from catalog.domain.shape_lock import latest_of, lock_shape, point_latest
from catalog.fields import snapshots
from catalog.fields.checks import problems
from catalog.fields.launch_fields import LaunchField, newest_edition
from catalog.fields.snapshots import Snapshot
from catalog.models import ShapeVersion, TrainingShape
from catalog.rights import require_publisher
from catalog.states import VersionState
from wire.errors import InvalidArgument


@transaction.atomic
def import_version(
    *,
    actor: Actor,
    shape: TrainingShape,
    snapshot: Snapshot,
    launch_fields: Sequence[LaunchField],
    edition: int | None = None,
    public: bool,
    note: str = "",
    version_id: str = "",
) -> ShapeVersion:
    """A version that is validated and published at once, and becomes the latest validated one of its shape.

    `edition` is the one of the common set that the launch fields narrow, the newest unless told; `note` says which
    document, and is the reason in the audit log, too. `version_id` is the one that it has where it comes from, where it
    keeps that; no version of the shape has it. `shape` needs its account loaded. Errors: `NotFound`,
    `PermissionDenied`; `InvalidArgument` where the static checks find something; `FailedPrecondition` where a shape
    that is public would be superseded by a version that is not.
    """
    require_publisher(actor, shape.account)
    shape = lock_shape(shape)
    if found := problems(snapshot, launch_fields, edition):
        raise InvalidArgument(found)
    fields = [field.as_json() for field in launch_fields]
    version = ShapeVersion.objects.create(
        shape=shape,
        version_id=version_id or free_version_id(shape),
        snapshot=snapshot.as_json(),
        launch_fields=fields,
        fields_edition=edition or newest_edition(),
        digest=snapshots.digest(snapshot, fields),
        state=VersionState.VALIDATED,
        is_public=public,
        created_by=actor.user,
        note=note,
    )
    before = latest_of(shape)
    point_latest(shape, version)
    record(
        actor=actor,
        verb="import_version",
        target=version.name,
        account=shape.account,
        before={"latestValidated": before.version_id if before else None},
        after={"latestValidated": version.version_id, "public": public, "digest": version.digest},
        reason=note,
    )
    return version
