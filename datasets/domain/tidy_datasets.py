"""Give up uploads that nobody goes on with, and remove the files of rows that are over."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from accounts.actors import SYSTEM
from accounts.domain.record import record
from datasets.domain.move_dataset import move
from datasets.models import Dataset
from datasets.states import KEPT, DatasetState
from datasets.storage import remove_file, stored

ABANDONED = timedelta(days=1)
"""Without a piece."""
MOST_AT_ONCE = 1_000


def tidy_datasets(*, now: datetime) -> int:
    """Answers how many uploads were given up; their ids are free."""
    stale = Dataset.objects.filter(state=DatasetState.UPLOADING, source_path="", updated_at__lt=now - ABANDONED)
    given_up = sum(_give_up(pk, now) for pk in stale.values_list("pk", flat=True)[:MOST_AT_ONCE])
    lying = set(stored())
    kept = Dataset.objects.filter(uid__in=lying, state__in=sorted(KEPT)).values_list("uid", flat=True)
    for uid in lying.difference(kept):
        remove_file(uid)
    return given_up


@transaction.atomic
def _give_up(pk: int, now: datetime) -> bool:
    rows = Dataset.objects.select_for_update(of=("self",), skip_locked=True).select_related("account")
    row = rows.filter(pk=pk, state=DatasetState.UPLOADING, updated_at__lt=now - ABANDONED).first()
    if row is None:
        return False
    before = {"received_bytes": row.received_bytes, "size_bytes": row.size_bytes}
    record(actor=SYSTEM, verb="give_up_upload", target=row.name, account=row.account, before=before)
    move(row, DatasetState.DELETED, now=now, detail="Nobody went on with its upload for a day.")
    row.save()
    return True
