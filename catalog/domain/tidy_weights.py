"""Remove what crashes left behind while models were made or removed.

A model that is whole stays, also where no row knows it: an older database may have been restored. But for one of which
it is written down that it was deleted.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import transaction

from accounts.models import Account
from catalog.models import TrainedModel
from catalog.signatures import own_manifest
from catalog.states import ModelState
from catalog.trained_queries import was_deleted
from catalog.weights import discard, discard_model, folder_of, leftovers, part_of, signed_ids, weights_root

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
    _tidy_deleted(account)


def _tidy_deleted(account: Account) -> None:
    rows = TrainedModel.objects.filter(account=account).exclude(state=ModelState.FAILED)
    for model_id in signed_ids(account.account_id) - set(rows.values_list("model_id", flat=True)):
        signed = own_manifest(account.account_id, model_id)
        if not folder_of(account.account_id, model_id).exists() or (signed is not None and was_deleted(signed)):
            log.warning("weights.leftover", path=str(folder_of(account.account_id, model_id)))
            discard_model(account.account_id, model_id)
