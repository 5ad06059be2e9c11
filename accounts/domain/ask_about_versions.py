"""Say whether trainers of another version than their form showed wait for a yes."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor, require_manager
from accounts.domain.record import record
from accounts.models import Account


@transaction.atomic
def ask_about_versions(*, actor: Actor, account: Account, asks: bool) -> Account:
    """From the next trainer on; those that run or wait stay as they are. Nothing where it is said already.

    Errors: `NotFound`, `PermissionDenied` below admin.
    """
    require_manager(actor, account)
    if account.asks_about_versions == asks:
        return account
    account.asks_about_versions = asks
    account.save(update_fields=["asks_about_versions"])
    record(
        actor=actor,
        verb="ask_about_versions",
        target=account.name,
        account=account,
        before={"asks": not asks},
        after={"asks": asks},
    )
    return account
