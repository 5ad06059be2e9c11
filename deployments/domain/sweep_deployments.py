"""Find deployments that are due and that no hint is under way for."""

from __future__ import annotations

from deployments.hints import ADVANCE
from deployments.models import Deployment
from queues.hints import hint_overdue

MOST_AT_ONCE = 100


def sweep_deployments() -> int:
    """Hint them. Answers how many."""
    return hint_overdue(ADVANCE, Deployment.objects.all(), most=MOST_AT_ONCE)
