"""Note how an attempt to sign in ended."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F

from accounts.actors import Actor
from accounts.audit_verbs import PersonalVerb
from accounts.digests import digest_of_address, digest_of_name
from accounts.domain.begin_sign_in import SignInAttempt
from accounts.domain.record import record, record_about
from accounts.domain.see_address import see_address
from accounts.models import SignInFailures, User
from accounts.throttling import OF_NAME_AND_ADDRESS, in_words

NEW_ADDRESS = "from an address where they did not sign in before"


@transaction.atomic
def fail_sign_in(*, actor: Actor, attempt: SignInAttempt, reason: str = "") -> None:
    """The password was wrong, or its user is not let in: the failure stays counted."""
    _note(actor, PersonalVerb.FAIL_TO_SIGN_IN, attempt, reason)
    if attempt.failures == OF_NAME_AND_ADDRESS.free:
        pause = f"for {in_words(attempt.pause)}, and longer after each further failure"
        _note(actor, PersonalVerb.LOCK_OUT, attempt, pause)


@transaction.atomic
def pass_sign_in(*, attempt: SignInAttempt, now: datetime) -> None:
    """The password was right: nothing was a failure."""
    SignInFailures.objects.filter(digest=attempt.own).delete()
    SignInFailures.objects.filter(digest__in=attempt.others, failures__gt=0).update(
        failures=F("failures") - 1, open_at=now
    )


@transaction.atomic
def sign_in(*, actor: Actor, user: User, now: datetime, provider: str = "") -> None:
    """The user is in, where it is named by a provider; from where, is known from now on."""
    is_new = see_address(digest=digest_of_address(actor.origin.address), now=now, user=user)
    reason = ", ".join(filter(None, [f"by {provider}" if provider else "", NEW_ADDRESS if is_new else ""]))
    record_about(user, actor=actor, verb=PersonalVerb.SIGN_IN, reason=reason)


def _note(actor: Actor, verb: PersonalVerb, attempt: SignInAttempt, reason: str) -> None:
    after = {"failures": attempt.failures}
    if attempt.user is not None:
        record_about(attempt.user, actor=actor, verb=verb, after=after, reason=reason)
        return
    target = f"unknownNames/{digest_of_name(attempt.typed)[:16]}"
    record(actor=actor, verb=verb, target=target, account=None, after=after, reason=reason)
