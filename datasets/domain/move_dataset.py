"""Move a dataset to another state: the only writer of states."""

from __future__ import annotations

from datetime import datetime

from datasets.models import Dataset
from datasets.states import WORKED_ON, DatasetState, may_move
from wire.errors import FailedPrecondition


def move(dataset: Dataset, state: DatasetState, *, now: datetime, detail: str = "") -> None:
    """Write the state into the row, which the caller's transaction has locked, and which it saves.

    Errors: `FailedPrecondition` for a move that `datasets.states` does not allow.
    """
    current = DatasetState(dataset.state)
    if not may_move(current, state):
        raise FailedPrecondition(f"{dataset.dataset_id} is {current}; it cannot become {state}.")
    dataset.state, dataset.detail, dataset.updated_at = state, detail, now
    dataset.next_check_at, dataset.failures = now, 0
    if state not in WORKED_ON and dataset.finished_at is None:
        dataset.finished_at = now
    if state is DatasetState.DELETED:
        dataset.deleted_at = now
