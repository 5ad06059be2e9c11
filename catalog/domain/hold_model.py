"""Who may act on a model that people made, and how it is locked: what renaming and deleting share."""

from __future__ import annotations

from accounts.actors import Actor, require
from accounts.roles import Right
from catalog.models import TrainedModel
from wire.errors import NotFound


def right_to_change(actor: Actor, model: TrainedModel) -> Right:
    """What somebody needs to change it: whoever made it the right to launch, others to control any launch."""
    made = actor.user is not None and model.created_by_id == actor.user.pk
    return Right.LAUNCH if made else Right.CONTROL_ANY_LAUNCH


def hold_model(actor: Actor, model: TrainedModel) -> TrainedModel:
    """The model with its account, locked, for somebody who may change it. Call it inside a transaction.

    Errors: `NotFound`, `PermissionDenied`.
    """
    require(actor, model.account, right_to_change(actor, model))
    found = TrainedModel.objects.select_for_update(of=("self",)).select_related("account").filter(pk=model.pk).first()
    if found is None:
        raise NotFound(f"There is no model {model.model_id} any more; somebody deleted it.")
    return found
