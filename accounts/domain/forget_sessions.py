"""Forget sessions that ran out."""

from __future__ import annotations

from datetime import datetime

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session


def forget_sessions(*, now: datetime) -> int:
    """Delete the sessions that nobody can use any more: SLIPWAY_SESSION_DAYS after their last sign-in or change.

    And where and by what they were begun, of those and of those that were ended.
    """
    forgotten: int = Session.objects.filter(expire_date__lt=now).delete()[0]
    UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()
    return forgotten
