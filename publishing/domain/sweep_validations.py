"""Find the validations that no hint is under way for."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from launches.hints import hint
from publishing.domain.claim_validation import due
from publishing.hints import ADVANCE
from publishing.models import Validation

MOST_AT_ONCE = 200
OVERDUE = timedelta(seconds=3)
"""What is late by less has a hint under way as a rule."""


def sweep_validations() -> int:
    """Hint every validation that is overdue or whose lease has run out. Answers how many."""
    overdue = Validation.objects.filter(due(timezone.now() - OVERDUE)).order_by("next_check_at")
    found = list(overdue.values_list("pk", flat=True)[:MOST_AT_ONCE])
    for pk in found:
        hint(ADVANCE, pk)
    return len(found)
