"""Forget what samplers put on record long ago; never a deployment or its events."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from deployments.models import SamplerMetric

BATCH = 10_000


def forget_sampler_records(*, now: datetime) -> int:
    """Keep what was recorded within SLIPWAY_RECORDS_DAYS. Answers how many records went."""
    old = SamplerMetric.objects.filter(at__lt=now - timedelta(days=settings.SLIPWAY_RECORDS_DAYS))
    forgotten = 0
    while batch := list(old.order_by("at").values_list("pk", flat=True)[:BATCH]):
        forgotten += SamplerMetric.objects.filter(pk__in=batch).delete()[0]
    return forgotten
