"""Find the models in the making that no hint is under way for."""

from __future__ import annotations

from catalog.hints import PROMOTE
from catalog.models import TrainedModel
from queues.hints import hint_overdue

MOST_AT_ONCE = 100


def sweep_promotions() -> int:
    """Hint every one that is overdue or whose lease has run out. Answers how many."""
    return hint_overdue(PROMOTE, TrainedModel.objects.all(), most=MOST_AT_ONCE)
