"""Who may publish."""

from __future__ import annotations

from accounts.actors import Actor, require
from accounts.models import Account
from accounts.roles import publishing_right


def require_publisher(actor: Actor, account: Account) -> None:
    """Pass where the actor may make and publish shapes of the account. Errors: as in `accounts.actors.require`."""
    require(actor, account, publishing_right(account.account_id))
