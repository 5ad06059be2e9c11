"""Add versions whose facts are vouched for by the document that they come from.

They count as validated without a run, also where a provider could run them, which by hand is refused: a file states
what is offered already, elsewhere too, and a catalog of hundreds of shapes could not be brought in if each had to run
first. Plan, review and passport say so; a run afterwards gives a version a passport that was measured.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import entry_of, record_all
from catalog.domain.create_draft import free_version_id
from catalog.domain.shape_lock import lock_shapes, point_latest_of_each
from catalog.fields import snapshots
from catalog.fields.checks import problems
from catalog.fields.launch_fields import LaunchField, newest_edition
from catalog.fields.snapshots import Snapshot
from catalog.models import ShapeVersion, TrainingShape
from catalog.rights import require_publisher
from catalog.states import VersionState
from wire.errors import InvalidArgument


@dataclass(frozen=True)
class ImportedVersion:
    """What a document says of a shape's next version.

    `edition` is the one of the common set that the launch fields narrow, the newest unless told. `version_id` is the
    one that it has where it comes from, where it keeps that; no version of the shape has it. `shape` needs its account
    loaded.
    """

    shape: TrainingShape
    snapshot: Snapshot
    launch_fields: Sequence[LaunchField]
    edition: int | None = None
    version_id: str = ""


@transaction.atomic
def import_versions(
    *, actor: Actor, imported: Sequence[ImportedVersion], public: bool, note: str = ""
) -> list[ShapeVersion]:
    """Versions, of as many shapes, that are validated and published at once, each the latest validated of its shape.

    `note` says which document, and is the reason in the audit log, too. As many queries for a thousand as for one.
    Errors: `NotFound`, `PermissionDenied`; `InvalidArgument` where the static checks find something;
    `FailedPrecondition` where a shape that is public would be superseded by a version that is not.
    """
    for account in {each.shape.account for each in imported}:
        require_publisher(actor, account)
    shapes = lock_shapes([each.shape for each in imported])
    there: dict[int, dict[str, bool]] = defaultdict(dict)
    columns = ("shape_id", "version_id", "is_latest_validated")
    for shape_pk, version_id, is_latest in ShapeVersion.objects.filter(shape__in=shapes).values_list(*columns):
        there[shape_pk][version_id] = is_latest
    versions = [
        _version_of(actor, each, shape, there[shape.pk], public=public, note=note)
        for each, shape in zip(imported, shapes, strict=True)
    ]
    point_latest_of_each(versions)
    record_all(
        entry_of(
            actor=actor,
            verb="import_version",
            target=version.name,
            account=version.shape.account,
            before={"latestValidated": next((old for old, latest in there[version.shape.pk].items() if latest), None)},
            after={"latestValidated": version.version_id, "public": public, "digest": version.digest},
            reason=note,
        )
        for version in versions
    )
    return versions


def import_version(
    *,
    actor: Actor,
    shape: TrainingShape,
    snapshot: Snapshot,
    launch_fields: Sequence[LaunchField],
    public: bool,
    note: str = "",
) -> ShapeVersion:
    """One of them. Errors: as in `import_versions`."""
    imported = ImportedVersion(shape, snapshot, launch_fields)
    return import_versions(actor=actor, imported=[imported], public=public, note=note)[0]


def _version_of(
    actor: Actor, each: ImportedVersion, shape: TrainingShape, there: dict[str, bool], *, public: bool, note: str
) -> ShapeVersion:
    """The row, not written yet. `there` holds the ids of the versions that the shape has."""
    if found := problems(each.snapshot, each.launch_fields, each.edition):
        raise InvalidArgument(found)
    fields = [field.as_json() for field in each.launch_fields]
    stored = each.snapshot.as_json()
    return ShapeVersion(
        shape=shape,
        version_id=each.version_id or free_version_id(there),
        snapshot=stored,
        launch_fields=fields,
        fields_edition=each.edition or newest_edition(),
        digest=snapshots.digest_of_stored(stored, fields),
        state=VersionState.VALIDATED,
        is_public=public,
        created_by=actor.user,
        note=note,
    )
