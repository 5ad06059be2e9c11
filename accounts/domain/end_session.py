"""Sign out a browser that one is signed in by elsewhere."""

from __future__ import annotations

from allauth.usersessions.models import UserSession
from django.db import transaction

from accounts.actors import Actor
from accounts.audit_verbs import PersonalVerb
from accounts.domain.end_sessions import end_sessions
from accounts.domain.record import record_about
from wire.errors import NotFound

_WHY = "by another session of theirs"


@transaction.atomic
def end_session(*, actor: Actor, number: int) -> None:
    """End a session of the actor's own. Errors: `NotFound`, where it is another's or over."""
    assert actor.user is not None, "nobody else is signed in"
    session = UserSession.objects.filter(user_id=actor.user.pk, pk=number).first()
    if session is None:
        raise NotFound("There is no such session of yours; it may be over.")
    session.end()
    record_about(actor.user, actor=actor, verb=PersonalVerb.SIGN_OUT, reason=_WHY)


@transaction.atomic
def end_other_sessions(*, actor: Actor, current: str) -> int:
    """End all sessions of the actor's own but the one with that key. Returns how many."""
    assert actor.user is not None, "nobody else is signed in"
    ended = end_sessions(actor.user, besides=current)
    for _ in range(ended):
        record_about(actor.user, actor=actor, verb=PersonalVerb.SIGN_OUT, reason=_WHY)
    return ended
