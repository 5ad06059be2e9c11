"""Say how large a dataset's file is going to be, before its first piece."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from datasets.domain.control_dataset import lock_for
from datasets.domain.reserve_space import reserve_space
from datasets.models import Dataset
from datasets.states import DatasetState
from wire.errors import FailedPrecondition


@transaction.atomic
def announce_upload(*, actor: Actor, dataset: Dataset, size_bytes: int) -> Dataset:
    """The dataset, with room kept for the file. Errors: `NotFound`, `PermissionDenied`; those of `reserve_space`;
    `FailedPrecondition` where no file is waited for.
    """
    row = lock_for(actor, dataset)
    if row.state != DatasetState.UPLOADING or row.source_path:
        raise FailedPrecondition(f"{row.dataset_id} is {row.state}: it takes no file. Make another dataset.")
    reserve_space(row, size_bytes, field="size_bytes")
    row.save()
    return row
