"""Accept that a base model of a connection's catalog has another name now; the former one goes on resolving."""

from __future__ import annotations

from dataclasses import asdict

from django.db import connection as database
from django.db import transaction

from accounts.actors import Actor, require_superuser
from accounts.domain.record import record
from catalog.domain.arrange_models import arrange_models
from catalog.domain.carry_out import lock_catalog, refresh_search
from catalog.models import BaseModel, TrainingShape
from catalog.naming import model_search_text
from catalog.sync.titles import spell
from catalog.sync_queries import proposed_renames
from connections.models import Connection
from wire.errors import Conflict
from wire.names import parse_model_name


@transaction.atomic
def rename_model(*, actor: Actor, connection: Connection, former: str, name: str) -> BaseModel:
    """What the connection's newest look proposes: `former` is called `name` from now on. Both are resource names.

    Where there is a model of that name already, brought with newer shapes, the shapes of the former one go to it. No
    version changes, and no launch. Errors: `PermissionDenied` for all but superusers, `Conflict` where the newest look
    proposes no such thing (any more).
    """
    require_superuser(actor)
    account_id, old = parse_model_name(former) or ("", "")
    _, new = parse_model_name(name) or ("", "")
    account = lock_catalog(account_id)
    models = BaseModel.objects.select_related("account").filter(account=account)
    model = models.filter(model_id=old).first()
    if account is None or model is None or (former, name) not in proposed_renames(connection):
        raise Conflict(f"The newest look does not propose to call {former} {name} any more. See what it says now.")
    there = models.filter(model_id=new).first()
    if there is None:
        there = model
        there.model_id = new
        if there.named_here:
            spelled = spell(new)
            facts = asdict(spelled) | {"architecture": spelled.architecture or there.architecture}
            for fact, value in facts.items():
                setattr(there, fact, value)
    else:
        _move_shapes(model, there)
        there.aliases = [*dict.fromkeys([*there.aliases, *model.aliases])]
    there.former_ids = [*dict.fromkeys([*there.former_ids, *model.former_ids, old])]
    there.former_ids = [each for each in there.former_ids if each != new]
    there.search_text = model_search_text(there)
    there.save()
    refresh_search(there)
    arrange_models()
    record(
        actor=actor,
        verb="rename_model",
        target=there.name,
        account=account,
        before={"name": former},
        after={"name": name},
        reason=f"as {connection} calls it",
    )
    return there


def _move_shapes(model: BaseModel, there: BaseModel) -> None:
    """All shapes of the one to the other, behind those that it has; then the row is gone."""
    with database.cursor() as cursor:
        cursor.execute("SELECT set_config('slipway.renaming_model', %s, true)", [f"{model.pk}:{there.pk}"])
    TrainingShape.objects.filter(base_model=model).update(base_model=there)
    model.delete()
