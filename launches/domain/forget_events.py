"""Remove lines of timelines that are older than somebody wants to keep them."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef

from launches.models import Attempt, Event

BATCH = 5_000


def forget_events(*, now: datetime) -> int:
    """Delete what is older than SLIPWAY_EVENTS_DAYS of launches that are over; nothing where that is not set.

    The timeline of a launch that is not over stays whole. Numbers are not given again: the launch has the last one.
    Returns how many lines went.
    """
    if settings.SLIPWAY_EVENTS_DAYS is None:
        return 0
    limit = now - timedelta(days=settings.SLIPWAY_EVENTS_DAYS)
    unfinished = Attempt.objects.filter(launch=OuterRef("launch"), finished_at=None)
    old = Event.objects.filter(created_at__lt=limit).exclude(Exists(unfinished)).order_by("pk")
    forgotten = 0
    while found := list(old.values_list("pk", flat=True)[:BATCH]):
        forgotten += Event.objects.filter(pk__in=found).delete()[0]
    return forgotten
