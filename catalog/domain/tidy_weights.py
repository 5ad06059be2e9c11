"""Remove what crashes left behind while models were made or removed.

A model that is whole stays, also where no row knows it: an older database may have been restored.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import transaction

from accounts.models import Account
from catalog.models import TrainedModel
from catalog.states import ModelState
from catalog.weights import discard, leftovers, part_of, weights_root

log = structlog.get_logger(__name__)


def tidy_weights(*, now: datetime) -> None:  # noqa: ARG001  (as all that tidies)
    """Account by account, held so that nobody promotes meanwhile; the folder of an account that is gone stays."""
    folders = {folder.name for folder in weights_root().iterdir()} if weights_root().is_dir() else set()
    for account in Account.objects.filter(account_id__in=folders):
        _tidy(account)


@transaction.atomic
def _tidy(account: Account) -> None:
    Account.objects.select_for_update(no_key=True).get(pk=account.pk)
    making = TrainedModel.objects.filter(account=account, state=ModelState.CREATING)
    known = {part_of(account.account_id, uid) for uid in making.values_list("uid", flat=True)}
    for entry, part in leftovers(account.account_id):
        if part not in known:
            log.warning("weights.leftover", path=str(entry))
            discard(entry)
