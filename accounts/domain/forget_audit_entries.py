"""Remove entries of the audit log that are older than somebody wants to keep them."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from accounts.actors import SYSTEM
from accounts.domain.record import record
from accounts.models import AuditEntry
from wire.times import rfc3339

BATCH = 5_000


def forget_audit_entries(*, now: datetime) -> int:
    """Delete what is older than SLIPWAY_AUDIT_DAYS, and note how much that was; nothing where that is not set.

    Each batch is a transaction of its own. Returns how many entries went.
    """
    if settings.SLIPWAY_AUDIT_DAYS is None:
        return 0
    limit = now - timedelta(days=settings.SLIPWAY_AUDIT_DAYS)
    forgotten = 0
    while done := _forget(limit):
        forgotten += done
    if forgotten:
        after = {"entries": forgotten, "before": rfc3339(limit)}
        record(actor=SYSTEM, verb="forget_audit_entries", target="auditLog", account=None, after=after)
    return forgotten


@transaction.atomic
def _forget(limit: datetime) -> int:
    old = AuditEntry.objects.filter(created_at__lt=limit).order_by("created_at")
    found = list(old.values_list("pk", flat=True)[:BATCH])
    with connection.cursor() as cursor:  # the trigger refuses it to everybody who does not say so
        cursor.execute("SET LOCAL slipway.forgetting = 'on'")
        done = AuditEntry.objects.filter(pk__in=found).delete()[0] if found else 0
        cursor.execute("SET LOCAL slipway.forgetting = 'off'")
    return done
