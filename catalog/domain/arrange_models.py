"""Put the base models into the order of the catalog page."""

from __future__ import annotations

from catalog.enums import LOCAL_ACCOUNT
from catalog.models import BaseModel
from catalog.ordering import in_groups


def arrange_models() -> None:
    """Renumber `position` so that pages can be cut from (position, id) alone.

    What runs on this machine first; then families in order of first appearance, within them sections, within them
    models. Repeating it changes nothing. Call it in the transaction that added or moved models.
    """
    models = sorted(BaseModel.objects.select_related("account").order_by("position", "pk"), key=_elsewhere)
    moved = []
    arranged = in_groups(models, lambda model: (_elsewhere(model), model.family, model.section))
    for position, model in enumerate(arranged, start=1):
        if model.position != position:
            model.position = position
            moved.append(model)
    BaseModel.objects.bulk_update(moved, ["position"], batch_size=1000)


def _elsewhere(model: BaseModel) -> bool:
    return model.account.account_id != LOCAL_ACCOUNT
