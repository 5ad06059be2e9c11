"""Celery tasks: each calls one verb. A lost one is made good by the sweeps."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from catalog.domain.advance_promotion import advance_promotion
from catalog.domain.advance_sync import advance_sync
from catalog.domain.arrange_models import arrange_models
from catalog.domain.sweep_promotions import sweep_promotions
from catalog.domain.sweep_syncs import sweep_syncs
from catalog.hints import PROMOTE, SYNC
from queues.hints import hint

LONGEST_SECONDS = 600
"""A thousand new shapes take about half a minute of a busy machine, after the minute and a half of a slow answer."""
LONGEST_COPY = 3600
"""One file of 100 GB takes a slow disk about that long; between two files a worker goes on to other rows."""
LONG = timedelta(seconds=30)
"""What is due later than that is left to the sweep: a message that waits in a worker fills its memory."""


@shared_task(name="catalog.sync_due")
def sync_due() -> None:
    """Find what is due."""
    sweep_syncs()


@shared_task(name="catalog.arrange")
def arrange() -> None:
    """Look again at what runs on this machine: somebody may have put weights there."""
    arrange_models()


@shared_task(name=SYNC, time_limit=LONGEST_SECONDS)
def sync(run_pk: int) -> None:
    """Work off one look."""
    advance_sync(run_pk)


@shared_task(name=PROMOTE, time_limit=LONGEST_COPY)
def promote(model_pk: int) -> None:
    """One step of a model that is being made, and a hint for the next."""
    delay = advance_promotion(model_pk)
    if delay is not None and delay < LONG:
        hint(PROMOTE, model_pk, delay=delay.total_seconds())


@shared_task(name="catalog.sweep_promotions")
def sweep_models() -> None:
    """Find what is due."""
    sweep_promotions()
