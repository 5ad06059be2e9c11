"""Remove a model that people made, with its files. Whether anything uses it, `launches.domain.delete_model` looks."""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.db.models import ProtectedError

from accounts.actors import Actor
from accounts.domain.record import record
from catalog.domain.hold_model import hold_model
from catalog.models import TrainedModel
from catalog.states import ModelState
from catalog.weights import discard_model, remove_parts
from wire.errors import FailedPrecondition

MOST_NAMED = 5


@transaction.atomic
def remove_model(*, actor: Actor, model: TrainedModel) -> int:
    """Its row, then its files, also where it is only being made; its id is free from then on.

    Answers the bytes that this frees: the model's files are its own, and what its connection keeps stays there.
    Errors: `NotFound`, `PermissionDenied`, `FailedPrecondition` where something serves it.
    """
    made = hold_model(actor, model)
    account, model_id, uid = made.account.account_id, made.model_id, made.uid
    freed = made.kept_bytes
    record(
        actor=actor,
        verb="delete_model",
        target=made.name,
        account=made.account,
        before={
            "checkpoint": made.provenance["checkpoint"],
            "files": {file.path: file.sha256 for file in made.contents},
        },
    )
    was_ready = made.state == ModelState.READY
    try:
        made.delete()
    except ProtectedError as error:  # by a room above: whatever it is, it has a name
        users = sorted(str(getattr(each, "name", each)) for each in error.protected_objects)
        told = f"{made.name} is served by {', '.join(users[:MOST_NAMED])}"
        raise FailedPrecondition(f"{told}. Delete that first, or let it serve another.") from None
    if was_ready:
        transaction.on_commit(partial(discard_model, account, model_id))
    transaction.on_commit(partial(remove_parts, account, uid))
    return freed
