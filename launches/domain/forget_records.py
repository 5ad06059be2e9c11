"""Forget the metrics and the log of attempts that ended long ago, here and with the providers; never a checkpoint."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from connections.opened import open_provider
from connections.providers.errors import ProviderError
from connections.queries import living_connections
from launches.models import Attempt, Metric

BATCH = 200
"""Attempts at a time: their records may be many."""
log = structlog.get_logger(__name__)


def forget_records(*, now: datetime) -> int:
    """Keep of attempts that ended more than SLIPWAY_RECORDS_DAYS ago the newest metric record, for lists, and no log.

    Their rows, events and checkpoints stay. Answers how many attempts had something to forget.
    """
    limit = now - timedelta(days=settings.SLIPWAY_RECORDS_DAYS)
    for connection in living_connections():
        try:
            open_provider(connection).forget_attempts(limit)
        except ProviderError as error:
            log.warning("tidy.postponed", connection=connection.name, error=str(error))
    forgotten = 0
    while attempts := list(_to_forget(limit)[:BATCH]):
        for attempt in attempts:
            newest = attempt.metrics.order_by("-number").values("pk")[:1]
            attempt.metrics.exclude(pk__in=newest).delete()
            attempt.evaluations.all().delete()
        Attempt.objects.filter(pk__in=[attempt.pk for attempt in attempts]).update(log_tail="")
        forgotten += len(attempts)
    return forgotten


def _to_forget(limit: datetime) -> QuerySet[Attempt]:
    """Attempts that ended before then and still have a log, or more than one metric record."""
    newer = Metric.objects.filter(attempt=OuterRef("attempt"), number__gt=OuterRef("number"))
    several = Metric.objects.filter(Exists(newer), attempt=OuterRef("pk"))
    ended = Attempt.objects.filter(finished_at__lt=limit)
    return ended.filter(~Q(log_tail="") | Exists(several)).defer("log_tail").order_by("finished_at")
