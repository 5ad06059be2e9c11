"""Find the pushes that no hint is under way for."""

from __future__ import annotations

from pushes.hints import PUSH
from pushes.models import Push
from queues.hints import hint_overdue

MOST_AT_ONCE = 100


def sweep_pushes() -> int:
    """Hint every one that is overdue or whose lease has run out. Answers how many."""
    return hint_overdue(PUSH, Push.objects.all(), most=MOST_AT_ONCE)
