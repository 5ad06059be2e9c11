"""Find the work that no hint is under way for."""

from __future__ import annotations

from django.utils import timezone

from launches.domain.claim_attempt import due
from launches.hints import ADVANCE, PURGE, hint
from launches.models import Attempt, Launch

MOST_AT_ONCE = 500


def sweep_launches() -> int:
    """Hint every attempt that is due or whose lease has run out, and every deleted launch that has files left.

    Answers how many were hinted.
    """
    attempts = Attempt.objects.filter(due(timezone.now())).order_by("next_check_at").values_list("pk", flat=True)
    hinted = [(ADVANCE, pk) for pk in attempts[:MOST_AT_ONCE]]
    tombstones = Launch.objects.filter(deleted_at__isnull=False, purged_at__isnull=True).values_list("pk", flat=True)
    hinted += [(PURGE, pk) for pk in tombstones[:MOST_AT_ONCE]]
    for task, pk in hinted:
        hint(task, pk)
    return len(hinted)
