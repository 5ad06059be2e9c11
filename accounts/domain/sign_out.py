"""Note that somebody signed out."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from accounts.audit_verbs import PersonalVerb
from accounts.domain.record import record_about


@transaction.atomic
def sign_out(*, actor: Actor) -> None:
    """The actor's session ends."""
    assert actor.user is not None, "nobody else is signed in"
    record_about(actor.user, actor=actor, verb=PersonalVerb.SIGN_OUT)
