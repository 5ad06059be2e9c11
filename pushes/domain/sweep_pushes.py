"""Find the pushes that no hint is under way for."""

from __future__ import annotations

from pushes.hints import PUSH
from pushes.models import Push
from queues.hints import hint
from queues.leases import overdue

MOST_AT_ONCE = 100


def sweep_pushes() -> int:
    """Hint every one that is overdue or whose lease has run out. Answers how many."""
    found = overdue(Push.objects.all(), most=MOST_AT_ONCE)
    for pk in found:
        hint(PUSH, pk)
    return len(found)
