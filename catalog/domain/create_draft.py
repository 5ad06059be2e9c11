"""Start a new version of a shape."""

from __future__ import annotations

from collections.abc import Container, Sequence

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from catalog.domain.shape_lock import lock_shape
from catalog.fields import snapshots
from catalog.fields.checks import range_problems
from catalog.fields.launch_fields import LaunchField, newest_edition
from catalog.fields.snapshots import Snapshot
from catalog.free_text import wrong_words
from catalog.models import ShapeVersion, TrainingShape
from catalog.rights import require_publisher
from catalog.states import VersionState
from wire.errors import InvalidArgument, Violation
from wire.names import new_version_id

LONGEST_NOTE = 2000


@transaction.atomic
def create_draft(
    *,
    actor: Actor,
    shape: TrainingShape,
    snapshot: Snapshot,
    launch_fields: Sequence[LaunchField],
    note: str = "",
    based_on: ShapeVersion | None = None,
) -> ShapeVersion:
    """A draft, which may still break the cross-field checks; its figures are within their limits.

    The launch fields narrow the newest common ones. `based_on` is the version that it started as a copy of. Errors:
    `NotFound`, `PermissionDenied`, `InvalidArgument`.
    """
    require_publisher(actor, shape.account)
    shape = lock_shape(shape)
    refuse_wrong_content(shape, snapshot, note)
    fields = [field.as_json() for field in launch_fields]
    version = ShapeVersion.objects.create(
        shape=shape,
        version_id=free_version_id(set(shape.versions.values_list("version_id", flat=True))),
        snapshot=snapshot.as_json(),
        launch_fields=fields,
        fields_edition=newest_edition(),
        digest=snapshots.digest(snapshot, fields),
        state=VersionState.DRAFT,
        created_by=actor.user,
        note=note.strip(),
        based_on=based_on,
    )
    record(
        actor=actor,
        verb="create_draft",
        target=version.name,
        account=shape.account,
        after={"digest": version.digest, "basedOn": based_on.name if based_on else None},
    )
    return version


def free_version_id(taken: Container[str]) -> str:
    """An id that none of a shape's versions has; `taken` are theirs, read with the shape locked."""
    return next(candidate for candidate in iter(new_version_id, None) if candidate not in taken)


def refuse_wrong_content(shape: TrainingShape, snapshot: Snapshot, note: str) -> None:
    """Errors: `InvalidArgument` where a figure is out of its limits, or the snapshot is another shape's."""
    found = range_problems(snapshot)
    if snapshot.kind != shape.kind:
        found.append(Violation("trainer_mode", f"{shape.name} is no shape of that kind. Make a new one."))
    if snapshot.name != shape.name:
        found.append(Violation("name", f"{snapshot.name} is not {shape.name}."))
    if snapshot.base_model not in (shape.base_model.name, *shape.base_model.former_names):
        found.append(
            Violation("base_model", f"{shape.name} is made for {shape.base_model.name}; clone it for another model.")
        )
    found += wrong_words("note", note.strip(), longest=LONGEST_NOTE)
    if found:
        raise InvalidArgument(found)
