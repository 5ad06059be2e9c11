"""A dataset's file as a download."""

from __future__ import annotations

from datasets.models import Dataset
from datasets.states import DatasetState
from datasets.storage import open_file
from downloads.contents import Download, StoredFile
from wire.errors import FailedPrecondition


def download_of(dataset: Dataset) -> Download:
    """All of it, under its id. Errors: `FailedPrecondition` where it is not READY."""
    if dataset.state != DatasetState.READY or dataset.size_bytes is None:
        raise FailedPrecondition(f"{dataset.dataset_id} is {dataset.state}: only what is READY can be downloaded.")
    stored = StoredFile(
        f"{dataset.dataset_id}.jsonl", dataset.size_bytes, dataset.sha256, lambda: open_file(dataset.uid)
    )
    return Download(stored.path, (stored,), f'"{dataset.sha256}"')
