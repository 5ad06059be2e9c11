"""How long the checkpoints of a deleted launch are kept."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from accounts.models import Account
from wire.errors import NotFound


def require_kept(kept_until: datetime | None, name: str) -> None:
    """Pass where what has the name was not deleted, or its time is not over. Errors: `NotFound`."""
    if kept_until is not None and kept_until <= timezone.now():
        raise NotFound(f"{name} was kept until {kept_until:%Y-%m-%d %H:%M} UTC.")


def retention_of(account: Account) -> timedelta:
    """From the deletion on: what the account says, else SLIPWAY_CHECKPOINT_RETENTION_DAYS."""
    days = account.checkpoint_retention_days
    return timedelta(days=settings.SLIPWAY_CHECKPOINT_RETENTION_DAYS if days is None else days)
