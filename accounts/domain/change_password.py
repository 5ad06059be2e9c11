"""Give a user another password."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.hashers import check_password
from django.db import transaction

from accounts.actors import Actor
from accounts.audit_verbs import PersonalVerb
from accounts.domain.record import record_about
from accounts.domain.revoke_api_key import revoke_keys_of
from accounts.models import SeenAddress, SignInFailures, User
from accounts.passwords import wrong_password
from accounts.queries import memberships_of
from wire.errors import InvalidArgument, PermissionDenied, Violation


@transaction.atomic
def change_password(*, actor: Actor, user: User, password: str, revoke_keys: bool, now: datetime) -> int:
    """Set it, which ends every session of the user; where that is asked for, revoke their API keys. Returns how many.

    Where they signed in before and how often that failed is forgotten: whoever had the old password is nobody here.
    Errors: `PermissionDenied` for anybody but the user in person, superusers and Slipway; `InvalidArgument` naming
    what is wrong with the `password`.
    """
    if actor.user is not None and not actor.is_superuser and actor.user != user:
        raise PermissionDenied(f"Only {user} and superusers change the password of {user}.")
    if violations := wrong_password(user, password):
        raise InvalidArgument(violations)
    if user.has_usable_password() and check_password(password, user.password):
        raise InvalidArgument([Violation("password", "That is the password already; choose another.")])
    user.set_password(password)
    user.save(update_fields=["password"])
    SeenAddress.objects.filter(user=user).delete()
    SignInFailures.objects.filter(user=user).delete()
    accounts = [membership.account for membership in memberships_of(user)] if revoke_keys else []
    revoked = sum(revoke_keys_of(actor=actor, account=account, user=user, now=now) for account in accounts)
    record_about(user, actor=actor, verb=PersonalVerb.CHANGE_PASSWORD, after={"keysRevoked": revoked})
    return revoked
