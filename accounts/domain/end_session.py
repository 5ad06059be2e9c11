"""Sign out a browser that one is signed in by elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

from allauth.usersessions.models import UserSession
from django.db import transaction

from accounts.actors import Actor
from accounts.audit_verbs import PersonalVerb
from accounts.domain.record import record_about
from wire.errors import NotFound


@transaction.atomic
def end_session(*, actor: Actor, number: int) -> None:
    """End a session of the actor's own. Errors: `NotFound`, where it is another's or over."""
    assert actor.user is not None, "nobody else is signed in"
    session = UserSession.objects.filter(user_id=actor.user.pk, pk=number).first()
    if session is None:
        raise NotFound("There is no such session of yours; it may be over.")
    _end(actor, [session])


@transaction.atomic
def end_other_sessions(*, actor: Actor, current: str) -> int:
    """End all sessions of the actor's own but the one with that key. Returns how many."""
    assert actor.user is not None, "nobody else is signed in"
    others = list(UserSession.objects.filter(user_id=actor.user.pk).exclude(session_key=current))
    _end(actor, others)
    return len(others)


def _end(actor: Actor, sessions: Iterable[UserSession]) -> None:
    for session in sessions:
        session.end()
        assert actor.user is not None, "its sessions end"
        record_about(actor.user, actor=actor, verb=PersonalVerb.SIGN_OUT, reason="by another session of theirs")
