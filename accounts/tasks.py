"""Celery tasks of the accounts app."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from accounts.domain.forget_addresses import forget_addresses


@shared_task(name="accounts.forget_addresses")
def forget_old_addresses() -> None:
    """Once an hour."""
    forget_addresses(now=timezone.now())
