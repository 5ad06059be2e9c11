"""Remove a model that people made, with its files. Whether anything uses it, `launches.domain.delete_model` looks."""

from __future__ import annotations

from functools import partial

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from catalog.domain.hold_model import hold_model
from catalog.models import TrainedModel
from catalog.states import ModelState
from catalog.weights import discard_model, remove_parts


@transaction.atomic
def remove_model(*, actor: Actor, model: TrainedModel) -> int:
    """Its row, then its files, also where it is only being made; its id is free from then on.

    Answers the bytes that this frees: the model's files are its own, and what its connection keeps stays there.
    Errors: `NotFound`, `PermissionDenied`.
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
    made.delete()
    if was_ready:
        transaction.on_commit(partial(discard_model, account, model_id))
    transaction.on_commit(partial(remove_parts, account, uid))
    return freed
