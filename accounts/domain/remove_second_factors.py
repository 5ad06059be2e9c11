"""Take somebody's second factors away, who lost them."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.db import transaction

from accounts.actors import Actor, require_superuser
from accounts.domain.end_sessions import end_sessions
from accounts.domain.record import record
from accounts.models import User
from wire.errors import FailedPrecondition
from wire.names import user_name


@transaction.atomic
def remove_second_factors(*, actor: Actor, user: User) -> None:
    """Remove them all, recovery codes included, and sign the user out everywhere: the next sign-in asks for none.

    Errors: `PermissionDenied` for anybody but Slipway and superusers, `FailedPrecondition` where there is none.
    """
    require_superuser(actor)
    if not Authenticator.objects.filter(user_id=user.pk).delete()[0]:
        raise FailedPrecondition(f"{user} has no second factor.")
    end_sessions(user)
    record(actor=actor, verb="remove_second_factors", target=user_name(user.get_username()), account=None)
