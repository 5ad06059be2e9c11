"""Forget sessions that ran out."""

from __future__ import annotations

from datetime import datetime

from django.contrib.sessions.models import Session


def forget_sessions(*, now: datetime) -> int:
    """Delete the sessions that nobody can use any more: SLIPWAY_SESSION_DAYS after their last sign-in or change."""
    return Session.objects.filter(expire_date__lt=now).delete()[0]
