"""Who may act on a dataset, and how it is locked: what its verbs share."""

from __future__ import annotations

from accounts.actors import Actor, require
from accounts.roles import Right
from datasets.models import Dataset
from datasets.states import DatasetState
from wire.errors import NotFound, PermissionDenied


def right_to_control(actor: Actor, dataset: Dataset) -> Right:
    """What somebody needs to act on the dataset: as of a launch."""
    owns = actor.user is not None and dataset.owner_id == actor.user.pk
    return Right.LAUNCH if owns else Right.CONTROL_ANY_LAUNCH


def may_control(actor: Actor, dataset: Dataset) -> bool:
    """Whether they have it. Needs `account` loaded."""
    try:
        require(actor, dataset.account, right_to_control(actor, dataset))
    except (NotFound, PermissionDenied):
        return False
    return True


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
