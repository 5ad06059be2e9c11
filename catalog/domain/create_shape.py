"""Create a shape, of trainers or of samplers, without a version yet."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from accounts.models import Account
from catalog.enums import IdSource, ShapeKind
from catalog.models import BaseModel, TrainingShape
from catalog.naming import shape_search_text
from catalog.rights import require_publisher
from wire.errors import AlreadyExists, InvalidArgument, Violation
from wire.names import refuse_id


@transaction.atomic
def create_shape(
    *,
    actor: Actor,
    account: Account,
    base_model: BaseModel,
    shape_id: str,
    display_name: str = "",
    id_source: IdSource = IdSource.OWN,
    position: int = 0,
    kind: ShapeKind = ShapeKind.TRAINING,
) -> TrainingShape:
    """A new shape of the account; `position` is its place among the shapes of its base model.

    Errors: `NotFound`, `PermissionDenied`, `InvalidArgument` for an id that is none, `AlreadyExists`.
    """
    require_publisher(actor, account)
    if sentence := refuse_id(shape_id):
        raise InvalidArgument([Violation("shape_id", f"{sentence}.")])
    shape, created = TrainingShape.objects.get_or_create(
        account=account,
        shape_id=shape_id,
        defaults={
            "kind": kind,
            "base_model": base_model,
            "display_name": display_name,
            "id_source": id_source,
            "position": position,
            "search_text": shape_search_text(display_name=display_name, shape_id=shape_id, base_model=base_model),
        },
    )
    if not created:
        raise AlreadyExists(f"{shape.name} is there already; choose another id.")
    record(actor=actor, verb="create_shape", target=shape.name, account=account, after={"baseModel": base_model.name})
    return shape
