"""Let a user who is here sign in by the identity provider from now on."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from accounts.actors import Actor
from accounts.audit_verbs import PersonalVerb
from accounts.domain.record import record_about
from accounts.models import User
from wire.errors import FailedPrecondition


@transaction.atomic
def hand_over(*, actor: Actor, user: User) -> None:
    """The password is gone: who is switched off at the provider would get in by it. Sessions with it end.

    Errors: `FailedPrecondition` for the admin who gets in by a password in any case.
    """
    if is_break_glass(user):
        raise FailedPrecondition(f"{user} keeps the password: it is for when the provider is out of order.")
    user.set_unusable_password()
    user.save(update_fields=["password"])
    reason = f"none: signs in by {settings.SLIPWAY_OIDC_NAME} from now on"
    record_about(user, actor=actor, verb=PersonalVerb.CHANGE_PASSWORD, reason=reason)


def is_break_glass(user: User) -> bool:
    """Whether this is the admin who gets in by a password in any case: by the name, and not without a password."""
    is_named = user.get_username().casefold() == settings.SLIPWAY_ADMIN_USER.casefold()
    return is_named and (user.pk is None or user.has_usable_password())
