"""Find the validations that no hint is under way for."""

from __future__ import annotations

from publishing.hints import ADVANCE
from publishing.models import Validation
from queues.hints import hint
from queues.leases import overdue

MOST_AT_ONCE = 200


def sweep_validations() -> int:
    """Hint every validation that is overdue or whose lease has run out. Answers how many."""
    found = overdue(Validation.objects.all(), most=MOST_AT_ONCE)
    for pk in found:
        hint(ADVANCE, pk)
    return len(found)
