"""Give a model that people made another display name; its id stays."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from catalog.domain.hold_model import hold_model
from catalog.models import TrainedModel
from catalog.naming import trained_search_text
from catalog.text_rules import refuse_length, refuse_unseen
from wire.errors import InvalidArgument, Violation

LONGEST_NAME = 120


@transaction.atomic
def rename_trained_model(*, actor: Actor, model: TrainedModel, display_name: str) -> TrainedModel:
    """Errors: `NotFound`, `PermissionDenied`, `InvalidArgument`."""
    made = hold_model(actor, model)
    display_name = refuse_display_name(display_name)
    if display_name == made.display_name:
        return made
    before, made.display_name = made.display_name, display_name
    made.search_text = trained_search_text(made)
    made.save(update_fields=["display_name", "search_text"])
    record(
        actor=actor,
        verb="rename_trained_model",
        target=made.name,
        account=made.account,
        before={"displayName": before},
        after={"displayName": display_name},
    )
    return made


def refuse_display_name(display_name: str) -> str:
    """The name as it is kept. Errors: `InvalidArgument`."""
    display_name = display_name.strip()
    if refusal := refuse_unseen(display_name) or refuse_length(display_name, LONGEST_NAME):
        raise InvalidArgument([Violation("display_name", refusal)])
    return display_name
