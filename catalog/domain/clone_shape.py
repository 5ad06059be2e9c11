"""Copy a version under a new shape id."""

from __future__ import annotations

from dataclasses import replace

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from accounts.models import Account
from catalog.domain.create_draft import create_draft
from catalog.domain.create_shape import create_shape
from catalog.models import BaseModel, ShapeVersion


@transaction.atomic
def clone_shape(
    *,
    actor: Actor,
    source: ShapeVersion,
    account: Account,
    shape_id: str,
    base_model: BaseModel | None = None,
) -> ShapeVersion:
    """A new shape of `account` whose first draft is a copy of `source`, which the actor must be able to see.

    For another base model its type and size are the new model's own. Errors: as in `create_shape`.
    """
    model = base_model or source.shape.base_model
    shape = create_shape(
        actor=actor,
        account=account,
        base_model=model,
        shape_id=shape_id,
        display_name=source.frozen_snapshot.display_name,
        kind=source.frozen_snapshot.kind,
    )
    snapshot = replace(source.frozen_snapshot, name=shape.name, base_model=model.name)
    if model.pk != source.shape.base_model_id:
        snapshot = replace(snapshot, model_type=model.model_type, parameter_count=model.parameter_count)
    draft = create_draft(
        actor=actor, shape=shape, snapshot=snapshot, launch_fields=source.renewed_fields, based_on=source
    )
    record(
        actor=actor,
        verb="clone_shape",
        target=shape.name,
        account=account,
        after={"source": source.name, "version": draft.version_id, "baseModel": model.name},
    )
    return draft
