"""End a membership."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.actors import Actor, require_manager
from accounts.domain.add_member import lock_membership, refuse_to_lose_last_admin
from accounts.domain.record import record
from accounts.domain.revoke_api_key import revoke_keys_of
from accounts.models import Account, Membership, User
from wire.errors import NotFound
from wire.names import member_name


@transaction.atomic
def remove_member(*, actor: Actor, account: Account, user: User, now: datetime) -> None:
    """Take the user out of the account and revoke their API keys of it; what they made there stays.

    Errors: `NotFound`, `PermissionDenied`, `FailedPrecondition` where the account would be left without an admin.
    """
    require_manager(actor, account)
    membership = lock_membership(account, user)
    if membership is None:
        raise NotFound(f"{user} is not a member of {account}.")
    refuse_to_lose_last_admin(membership)
    end_membership(actor=actor, membership=membership, now=now)


def end_membership(*, actor: Actor, membership: Membership, now: datetime) -> None:
    """End it and the keys, whoever asks: for verbs that made sure. Needs a transaction."""
    account, user = membership.account, membership.user
    revoke_keys_of(actor=actor, account=account, user=user, now=now)
    membership.delete()
    record(
        actor=actor,
        verb="remove_member",
        target=member_name(account.account_id, user.get_username()),
        account=account,
        before={"role": membership.role},
    )
