"""Switch a user on again."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from accounts.models import User
from wire.errors import FailedPrecondition, PermissionDenied
from wire.names import user_name


@transaction.atomic
def reactivate_user(*, actor: Actor, user: User) -> None:
    """The user gets in again, to sign in and to make API keys; the former ones stay revoked.

    Errors: `PermissionDenied` for anybody but Slipway and superusers, `FailedPrecondition` where the user is not
    switched off.
    """
    if actor.user is not None and not actor.is_superuser:
        raise PermissionDenied("Only superusers switch users on.")
    if not User.objects.filter(pk=user.pk, is_active=False).update(is_active=True):
        raise FailedPrecondition(f"{user} is not switched off.")
    record(actor=actor, verb="reactivate_user", target=user_name(user.get_username()), account=None)
