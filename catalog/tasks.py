"""Celery tasks: each calls one verb."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from accounts.actors import SYSTEM
from catalog.domain.sync_catalog import sync_catalog
from catalog.sync_queries import due_connections
from connections.models import Connection

SYNC_DUE = "catalog.sync_due"
SYNC = "catalog.sync"
LONGEST_SECONDS = 600
"""A thousand new shapes take about half a minute of a busy machine, after the minute and a half of a slow answer."""


@shared_task(name=SYNC_DUE)
def sync_due() -> None:
    """Each connection by itself, so that a slow one does not keep the others waiting."""
    every = timedelta(minutes=settings.SLIPWAY_SYNC_MINUTES)
    for pk in due_connections(timezone.now(), every=every):
        sync.apply_async(args=[pk], expires=300)


@shared_task(name=SYNC, time_limit=LONGEST_SECONDS)
def sync(connection_pk: int) -> None:
    """Let the catalog follow one of them."""
    sync_catalog(actor=SYSTEM, connection=Connection.objects.get(pk=connection_pk))
