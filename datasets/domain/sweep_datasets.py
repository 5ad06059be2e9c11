"""Find the datasets that no hint is under way for."""

from __future__ import annotations

from datasets.hints import ADVANCE, COUNT
from datasets.models import Dataset, TokenCount
from datasets.queries import FOR_WORKERS
from queues.hints import hint_overdue

MOST_AT_ONCE = 100


def sweep_datasets() -> int:
    """Hint every one that is overdue or whose lease has run out. Answers how many datasets."""
    hint_overdue(COUNT, TokenCount.objects.all(), most=MOST_AT_ONCE)
    return hint_overdue(ADVANCE, Dataset.objects.filter(FOR_WORKERS), most=MOST_AT_ONCE)
