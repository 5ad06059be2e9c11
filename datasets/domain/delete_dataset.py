"""Delete a dataset."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from accounts.domain.record import record
from datasets.domain.control_dataset import lock_for
from datasets.domain.move_dataset import move
from datasets.models import Dataset
from datasets.states import DatasetState
from datasets.storage import remove_file


@transaction.atomic
def delete_dataset(*, actor: Actor, dataset: Dataset) -> None:
    """Its file goes once that is committed, its id is free, and its row stays for what was trained on it.

    Errors: `NotFound`, `PermissionDenied`.
    """
    row = lock_for(actor, dataset)
    before = {"state": row.state, "sha256": row.sha256, "size_bytes": row.size_bytes}
    record(actor=actor, verb="delete_dataset", target=row.name, account=row.account, before=before)
    move(row, DatasetState.DELETED, now=timezone.now())
    row.samples, row.findings = [], []
    row.lease_token = row.lease_until = None
    row.save()
    transaction.on_commit(lambda: remove_file(row.uid))  # else the tidying finds it
