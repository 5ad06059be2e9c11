"""Celery tasks: each calls one verb. A lost one is made good by the sweep."""

from __future__ import annotations

from celery import shared_task

from catalog.domain.advance_sync import advance_sync
from catalog.domain.arrange_models import arrange_models
from catalog.domain.sweep_syncs import sweep_syncs
from catalog.hints import SYNC

LONGEST_SECONDS = 600
"""A thousand new shapes take about half a minute of a busy machine, after the minute and a half of a slow answer."""


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
