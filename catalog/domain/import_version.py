"""Add a version whose facts are vouched for by the document that it comes from."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor, require
from accounts.domain.record import record
from accounts.roles import Right
from catalog import snapshots
from catalog.launch_fields import LaunchField
from catalog.models import ShapeVersion, TrainingShape
from catalog.snapshots import Snapshot
from catalog.states import VersionState
from wire.errors import FailedPrecondition
from wire.names import new_version_id


@transaction.atomic
def import_version(
    *,
    actor: Actor,
    shape: TrainingShape,
    snapshot: Snapshot,
    launch_fields: Sequence[LaunchField],
    public: bool,
    note: str = "",
) -> ShapeVersion:
    """A version that is validated and published at once, and becomes the latest validated one of its shape.

    `shape` needs its account loaded. Errors: `NotFound`, `PermissionDenied`; `FailedPrecondition` where a shape that
    is public would be superseded by a version that is not.
    """
    require(actor, shape.account, Right.PUBLISH)
    TrainingShape.objects.select_for_update().get(pk=shape.pk)  # one pointer move at a time
    latest = shape.versions.filter(is_latest_validated=True)
    if not public and latest.filter(is_public=True).exists():
        raise FailedPrecondition(f"{shape.name} is public; only a public version can supersede it.")
    latest.update(is_latest_validated=False)
    fields = [field.as_json() for field in launch_fields]
    version = ShapeVersion.objects.create(
        shape=shape,
        version_id=new_version_id(),
        snapshot=snapshot.as_json(),
        launch_fields=fields,
        digest=snapshots.digest(snapshot, fields),
        state=VersionState.VALIDATED,
        is_public=public,
        is_latest_validated=True,
        published_at=timezone.now(),
        created_by=actor.user,
        note=note,
    )
    record(
        actor=actor,
        verb="import_version",
        target=version.name,
        account=shape.account,
        after={"digest": version.digest, "public": public},
    )
    return version
