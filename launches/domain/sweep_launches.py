"""Find the work that no hint is under way for."""

from __future__ import annotations

from launches.leases import overdue
from launches.live.hints import ADVANCE, PURGE, hint
from launches.models import Attempt, Launch

MOST_AT_ONCE = 500


def sweep_launches() -> int:
    """Hint every attempt that is overdue or whose lease has run out, and every deleted launch that has files left.

    Answers how many were hinted.
    """
    hinted = [(ADVANCE, pk) for pk in overdue(Attempt, most=MOST_AT_ONCE)]
    tombstones = (
        Launch.objects.filter(deleted_at__isnull=False, purged_at__isnull=True)
        .order_by("deleted_at")
        .values_list("pk", flat=True)
    )
    hinted += [(PURGE, pk) for pk in tombstones[:MOST_AT_ONCE]]
    for task, pk in hinted:
        hint(task, pk)
    return len(hinted)
