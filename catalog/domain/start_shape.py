"""Create a training shape together with its first draft."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from accounts.actors import Actor
from accounts.models import Account
from catalog.domain.create_draft import create_draft
from catalog.domain.create_shape import create_shape
from catalog.fields.launch_fields import LaunchField
from catalog.fields.snapshots import Snapshot
from catalog.models import BaseModel, ShapeVersion


@transaction.atomic
def start_shape(
    *,
    actor: Actor,
    account: Account,
    base_model: BaseModel,
    shape_id: str,
    snapshot: Snapshot,
    launch_fields: Sequence[LaunchField],
    note: str = "",
) -> ShapeVersion:
    """A new shape of `account` and the draft that it starts with; both or neither.

    Errors: as in `create_shape` and `create_draft`.
    """
    shape = create_shape(
        actor=actor,
        account=account,
        base_model=base_model,
        shape_id=shape_id,
        display_name=snapshot.display_name,
        kind=snapshot.kind,
    )
    return create_draft(actor=actor, shape=shape, snapshot=snapshot, launch_fields=launch_fields, note=note)
