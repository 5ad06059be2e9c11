"""Sign somebody out everywhere."""

from __future__ import annotations

from allauth.usersessions.models import UserSession
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session

from accounts.models import User


def end_sessions(user: User, *, besides: str = "") -> int:
    """End every session of the user, whichever way it began, but the one with that key. Returns how many."""
    theirs = [
        session.session_key
        for session in Session.objects.iterator()
        if session.session_key != besides and session.get_decoded().get(SESSION_KEY) == str(user.pk)
    ]
    UserSession.objects.filter(user_id=user.pk).exclude(session_key=besides).delete()
    return Session.objects.filter(session_key__in=theirs).delete()[0]
