"""How a dataset is locked for somebody who may act on it: what its verbs share."""

from __future__ import annotations

from accounts.actors import Actor, require, right_to_control
from datasets.models import Dataset
from datasets.states import DatasetState
from wire.errors import NotFound


def lock_for(actor: Actor, dataset: Dataset) -> Dataset:
    """The row as it is now, locked, for somebody who may act on it: its owner, or who controls any launch.

    Errors: `NotFound`, `PermissionDenied`. Call it inside a transaction.
    """
    require(actor, dataset.account, right_to_control(actor, dataset))
    rows = Dataset.objects.select_for_update(of=("self",)).select_related("account", "owner")
    found = rows.filter(pk=dataset.pk).exclude(state=DatasetState.DELETED).first()
    if found is None:
        raise NotFound(f"There is no {dataset.name} any more.")
    return found
