"""Switch a user off."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.add_member import lock_membership, refuse_to_lose_last_admin
from accounts.domain.end_sessions import end_sessions
from accounts.domain.record import record
from accounts.domain.revoke_api_key import revoke_keys_of
from accounts.models import Membership, User
from wire.errors import FailedPrecondition, PermissionDenied
from wire.names import user_name


@transaction.atomic
def deactivate_user(*, actor: Actor, user: User, now: datetime) -> None:
    """From now on the user does not get in: sessions and API keys end; memberships and launches stay as they are.

    Errors: `PermissionDenied` for anybody but Slipway and superusers, `FailedPrecondition` where the user is switched
    off already, is the actor, or is the only admin of an account.
    """
    if actor.user is not None and not actor.is_superuser:
        raise PermissionDenied("Only superusers switch users off.")
    if actor.user == user:
        raise FailedPrecondition("That is you. Ask another superuser to switch you off.")
    memberships = list(Membership.objects.filter(user=user).select_related("account").order_by("account_id"))
    for membership in memberships:
        if locked := lock_membership(membership.account, user):
            refuse_to_lose_last_admin(locked)
    if not User.objects.filter(pk=user.pk, is_active=True).update(is_active=False):
        raise FailedPrecondition(f"{user} is switched off already.")
    end_sessions(user)
    for membership in memberships:
        revoke_keys_of(actor=actor, account=membership.account, user=user, now=now)
    record(actor=actor, verb="deactivate_user", target=user_name(user.get_username()), account=None)
