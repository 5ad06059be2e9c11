"""Change a draft."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from catalog.domain.create_draft import refuse_wrong_content
from catalog.domain.shape_lock import lock_version
from catalog.fields import snapshots
from catalog.fields.launch_fields import LaunchField
from catalog.fields.snapshots import Snapshot
from catalog.models import ShapeVersion
from catalog.rights import require_publisher
from catalog.states import VersionState
from wire.errors import Conflict, FailedPrecondition


@transaction.atomic
def edit_draft(
    *,
    actor: Actor,
    version: ShapeVersion,
    snapshot: Snapshot,
    launch_fields: Sequence[LaunchField],
    note: str,
    expected_digest: str,
) -> ShapeVersion:
    """Replace the draft's content; `expected_digest` is that of the content which the editor started from.

    Saving the same again writes nothing. Errors: `NotFound`, `PermissionDenied`, `InvalidArgument`,
    `FailedPrecondition` where it is no draft any more, `Conflict` where somebody else saved in between.
    """
    require_publisher(actor, version.shape.account)
    version = lock_version(version)
    if version.state != VersionState.DRAFT:
        raise FailedPrecondition(
            f"{version.name} is no draft any more, so it cannot be changed. Base a new draft on it."
        )
    refuse_wrong_content(version.shape, snapshot, note)
    fields = [field.as_json() for field in launch_fields]
    digest = snapshots.digest(snapshot, fields)
    if (digest, note.strip()) == (version.digest, version.note):
        return version
    if version.digest != expected_digest:
        raise Conflict("Somebody else saved this draft while you edited it. See what they changed, and save again.")
    before = {"digest": version.digest, "note": version.note}
    version.snapshot, version.launch_fields, version.digest = snapshot.as_json(), fields, digest
    version.note = note.strip()
    version.save(update_fields=["snapshot", "launch_fields", "digest", "note"])
    record(
        actor=actor,
        verb="edit_draft",
        target=version.name,
        account=version.shape.account,
        before=before,
        after={"digest": version.digest, "note": version.note},
    )
    return version
