"""End an API key."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.actors import Actor, require, require_manager
from accounts.domain.record import record
from accounts.models import Account, ApiKey, User
from accounts.roles import Right
from wire.errors import FailedPrecondition


@transaction.atomic
def revoke_api_key(*, actor: Actor, key: ApiKey, now: datetime) -> ApiKey:
    """From now on the key opens nothing. Its user may do it, and who manages the account's members.

    Errors: `NotFound`, `PermissionDenied`; `FailedPrecondition` where it was revoked already.
    """
    if actor.user == key.user:
        require(actor, key.account, Right.MAKE_KEYS)
    else:
        require_manager(actor, key.account)
    locked = ApiKey.objects.select_for_update(of=("self",)).select_related("account", "user").get(pk=key.pk)
    if locked.revoked_at is not None:
        raise FailedPrecondition(f"The key {locked.name} was revoked already.")
    _revoke(actor, locked, now)
    return locked


def revoke_keys_of(*, actor: Actor, account: Account, user: User, now: datetime, name: str | None = None) -> int:
    """End every key of the user for the account (with a name: the one that has it), whoever asks. Returns how many.

    For verbs that made sure. Needs a transaction.
    """
    keys = ApiKey.objects.filter(account=account, user=user, revoked_at=None)
    if name is not None:
        keys = keys.filter(name=name)
    found = list(keys.select_for_update(of=("self",)).select_related("account", "user").order_by("pk"))
    for key in found:
        _revoke(actor, key, now)
    return len(found)


def _revoke(actor: Actor, key: ApiKey, now: datetime) -> None:
    key.revoked_at = now
    key.save(update_fields=["revoked_at"])
    record(
        actor=actor,
        verb="revoke_api_key",
        target=key.resource_name,
        account=key.account,
        before={"name": key.name, "user": key.user.get_username(), "scope": key.scope, "prefix": key.prefix},
    )
