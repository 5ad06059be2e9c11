"""Delete a model that people made, where no launch trains it."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from catalog.domain.hold_model import hold_model
from catalog.domain.remove_model import remove_model
from catalog.models import TrainedModel
from catalog.states import ModelKind
from launches.model_uses import launches_on
from wire.counts import quantity
from wire.errors import FailedPrecondition

MOST_NAMED = 5


@transaction.atomic
def delete_model(*, actor: Actor, model: TrainedModel) -> int:
    """Its row, then its files; answers the bytes that this frees.

    Errors: `NotFound`, `PermissionDenied`, `FailedPrecondition` where a launch that is not over starts from it.
    """
    held = hold_model(actor, model)  # a launch that is being accepted waits for it, or has been written
    found = launches_on(held)
    if found:
        named = ", ".join(launch.job_id for launch in found[:MOST_NAMED])
        many = quantity(len(found), "launch", "launches")
        what = "base model" if held.kind == ModelKind.FULL else "adapter"
        raise FailedPrecondition(f"It is the {what} of {many} not over yet: {named}. End what runs first.")
    return remove_model(actor=actor, model=held)
