"""How long the checkpoints of a deleted launch are kept."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from accounts.models import Account


def retention_of(account: Account) -> timedelta:
    """From the deletion on: what the account says, else SLIPWAY_CHECKPOINT_RETENTION_DAYS."""
    days = account.checkpoint_retention_days
    return timedelta(days=settings.SLIPWAY_CHECKPOINT_RETENTION_DAYS if days is None else days)
