"""Create shapes, of trainers or of samplers, without a version yet."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import IntegrityError, transaction

from accounts.actors import Actor
from accounts.domain.record import entry_of, record_all
from accounts.models import Account
from catalog.enums import IdSource, ShapeKind
from catalog.models import BaseModel, TrainingShape
from catalog.naming import shape_search_text
from catalog.rights import require_publisher
from wire.errors import AlreadyExists, InvalidArgument, Violation
from wire.names import refuse_id


@transaction.atomic
def create_shapes(*, actor: Actor, account: Account, shapes: Sequence[TrainingShape]) -> None:
    """Write these rows, all of them new ones of the account; what they are found by is filled in here.

    Errors: `NotFound`, `PermissionDenied`, `InvalidArgument` for an id that is none, `AlreadyExists`.
    """
    require_publisher(actor, account)
    for shape in shapes:
        if sentence := refuse_id(shape.shape_id):
            raise InvalidArgument([Violation("shape_id", f"{sentence}.")])
        shape.account = account
        shape.search_text = shape_search_text(
            display_name=shape.display_name, shape_id=shape.shape_id, base_model=shape.base_model
        )
    try:
        with transaction.atomic():
            TrainingShape.objects.bulk_create(shapes)
    except IntegrityError:
        ids = [shape.shape_id for shape in shapes]
        taken = TrainingShape.objects.select_related("account").filter(account=account, shape_id__in=ids).first()
        if taken is None:
            raise
        raise AlreadyExists(f"{taken.name} is there already; choose another id.") from None
    record_all(
        entry_of(
            actor=actor,
            verb="create_shape",
            target=shape.name,
            account=account,
            after={"baseModel": shape.base_model.name},
        )
        for shape in shapes
    )


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
    """One of them; `position` is its place among the shapes of its base model. Errors: as in `create_shapes`."""
    shape = TrainingShape(
        kind=kind,
        base_model=base_model,
        shape_id=shape_id,
        display_name=display_name,
        id_source=id_source,
        position=position,
    )
    create_shapes(actor=actor, account=account, shapes=[shape])
    return shape
