"""Forget from where people came, once that is long ago."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from accounts.models import AuditEntry, SeenAddress, SignInFailures
from accounts.throttling import FORGET

BATCH = 5_000


def forget_addresses(*, now: datetime) -> int:
    """Blank the addresses of audit entries, and delete where users and keys were seen, beyond SLIPWAY_ADDRESS_DAYS.

    Failures of sign-in that count no more go, too. Each batch is a transaction of its own. Returns how many audit
    entries lost an address.
    """
    limit = now - timedelta(days=settings.SLIPWAY_ADDRESS_DAYS)
    SeenAddress.objects.filter(seen_at__lt=limit).delete()
    SignInFailures.objects.filter(failed_at__lt=now - FORGET).delete()
    forgotten = 0
    while done := _blank(limit):
        forgotten += done
    return forgotten


@transaction.atomic
def _blank(limit: datetime) -> int:
    old = AuditEntry.objects.filter(created_at__lt=limit, address__isnull=False).order_by("created_at")
    return AuditEntry.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:BATCH])).update(
        address=None, agent=""
    )
