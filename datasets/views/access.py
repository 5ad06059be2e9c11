"""Who may look at datasets: members of their accounts, as verbs and queries say."""

from __future__ import annotations

import uuid

from accounts.actors import require
from accounts.guards import guarded_page
from accounts.requests import SlipwayRequest, actor_of
from accounts.roles import Right
from datasets.models import Dataset
from datasets.queries import find_dataset
from wire.errors import NotFound

datasets_page = guarded_page("datasets")


def own_dataset(request: SlipwayRequest, uid: uuid.UUID) -> Dataset:
    """The dataset, where it is of an account that the user is a member of. Errors: `NotFound`."""
    found = find_dataset([membership.account.pk for membership in request.standing.memberships], uid)
    if found is None:
        raise NotFound("There is no such dataset.")
    require(actor_of(request), found.account, Right.VIEW)
    return found
