"""Find the looks that no hint is under way for, and the connections whose catalog is to be looked at again."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from accounts.actors import SYSTEM
from catalog.domain.request_sync import request_sync
from catalog.hints import SYNC
from catalog.models import SyncRun
from catalog.sync_queries import due_connections
from queues.hints import hint_overdue
from wire.errors import Refusal

MOST_AT_ONCE = 100


def sweep_syncs() -> None:
    """Each connection by a row of its own, so that a slow one does not keep the others waiting."""
    hint_overdue(SYNC, SyncRun.objects.all(), most=MOST_AT_ONCE)
    every = timedelta(minutes=settings.SLIPWAY_SYNC_MINUTES)
    for connection in due_connections(timezone.now(), every=every):
        with suppress(Refusal):  # retired, or asked for, in between
            request_sync(actor=SYSTEM, connection=connection)
