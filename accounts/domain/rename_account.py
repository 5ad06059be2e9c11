"""Give an account another display name."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor, require
from accounts.domain.create_account import refuse_display_name
from accounts.domain.record import record
from accounts.models import Account
from accounts.roles import Right


@transaction.atomic
def rename_account(*, actor: Actor, account: Account, display_name: str) -> Account:
    """Its id stays. The caller holds the account's lock.

    Errors: `NotFound`, `PermissionDenied` below admin, `InvalidArgument`.
    """
    require(actor, account, Right.MANAGE_MEMBERS)
    refuse_display_name(display_name, besides=account)
    before, account.display_name = account.display_name, display_name
    account.save(update_fields=["display_name"])
    record(
        actor=actor,
        verb="rename_account",
        target=account.name,
        account=account,
        before={"displayName": before},
        after={"displayName": display_name},
    )
    return account
