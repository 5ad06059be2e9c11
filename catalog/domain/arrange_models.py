"""Put the base models into the order of the catalog page."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction

from catalog.domain.catalog_lock import hold_models
from catalog.fields.snapshots import Snapshot
from catalog.models import BaseModel, ShapeVersion
from catalog.ordering import in_groups
from catalog.places import plain_spec, reasons_against
from connections.models import Connection
from connections.opened import runs_here
from connections.queries import living_connections


@transaction.atomic
def arrange_models(changed: Collection[int] | None = None) -> None:
    """Renumber `position` so that pages can be cut from (position, id) alone, and note what runs on this machine.

    What a connection of this machine says that it can run comes first; then families in order of first appearance,
    within them sections, within them models. Repeating it changes nothing. Call it after models or shapes came or
    moved; of `changed` base models alone it is asked anew then whether they run here, of all where that is None. What
    connections can do changes without a word, so it is called for all now and then, too.
    """
    hold_models()
    here = _models_here([row for row in living_connections() if runs_here(row)], changed)
    if changed is not None:
        here |= set(BaseModel.objects.filter(runs_here=True).exclude(pk__in=changed).values_list("pk", flat=True))
    columns = ("pk", "position", "runs_here", "family", "section")
    rows = BaseModel.objects.order_by("position", "pk").values_list(*columns, named=True)
    models = sorted(rows, key=lambda model: model.pk not in here)
    moved = []
    arranged = in_groups(models, lambda model: (model.pk in here, model.family, model.section))
    for position, model in enumerate(arranged, start=1):
        if (model.position, model.runs_here) != (position, model.pk in here):
            moved.append(BaseModel(pk=model.pk, position=position, runs_here=model.pk in here))
    BaseModel.objects.bulk_update(moved, ["position", "runs_here"], batch_size=1000)


def _models_here(connections: list[Connection], asked: Collection[int] | None) -> set[int]:
    """The base models, of those asked about or of all, of which one of the connections may run a shape as it is now."""
    found: set[int] = set()
    if not connections:
        return found
    latest = ShapeVersion.objects.filter(is_latest_validated=True).values_list("shape__base_model", "snapshot")
    if asked is not None:
        latest = latest.filter(shape__base_model__in=asked)
    for model, snapshot in latest.order_by("shape__base_model").iterator(chunk_size=500):
        if model not in found:
            spec = plain_spec(Snapshot.from_json(snapshot))
            if not all(reasons_against(connection, spec) for connection in connections):
                found.add(model)
    return found
