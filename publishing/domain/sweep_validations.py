"""Find the validations that no hint is under way for."""

from __future__ import annotations

from publishing.hints import ADVANCE
from publishing.models import Validation
from queues.hints import hint_overdue

MOST_AT_ONCE = 200


def sweep_validations() -> int:
    """Hint every validation that is overdue or whose lease has run out. Answers how many."""
    return hint_overdue(ADVANCE, Validation.objects.all(), most=MOST_AT_ONCE)
