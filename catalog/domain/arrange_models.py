"""Put the base models into the order of the catalog page."""

from __future__ import annotations

from catalog.enums import LOCAL_ACCOUNT
from catalog.models import BaseModel


def arrange_models() -> None:
    """Renumber `position` so that pages can be cut from (position, id) alone.

    What runs on this machine first; then families in order of first appearance, within them sections, within them
    models. Repeating it changes nothing. Call it in the transaction that added or moved models.
    """
    models = list(BaseModel.objects.select_related("account").order_by("position", "pk"))
    groups: dict[tuple[bool, str], int] = {}
    sections: dict[tuple[bool, str, str], int] = {}
    for order, model in enumerate(models):
        elsewhere = model.account.account_id != LOCAL_ACCOUNT
        groups.setdefault((elsewhere, model.family), order)
        sections.setdefault((elsewhere, model.family, model.section), order)

    def rank(model: BaseModel) -> tuple[bool, int, int]:
        elsewhere = model.account.account_id != LOCAL_ACCOUNT
        return elsewhere, groups[elsewhere, model.family], sections[elsewhere, model.family, model.section]

    moved = []
    for position, model in enumerate(sorted(models, key=rank), start=1):
        if model.position != position:
            model.position = position
            moved.append(model)
    BaseModel.objects.bulk_update(moved, ["position"], batch_size=1000)
