"""Who does something: every domain verb takes an `Actor`, and the audit log and the timelines show its label."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.models import Account, User
from accounts.queries import role_in
from accounts.roles import Right, allows
from wire.errors import NotFound, PermissionDenied


@dataclass(frozen=True)
class Actor:
    """A user behind a request, or (user None) Slipway itself."""

    user: User | None
    label: str
    request_id: str = ""


SYSTEM = Actor(user=None, label="Slipway")


def user_actor(user: User, *, request_id: str = "") -> Actor:
    """The actor for a signed-in user."""
    return Actor(user=user, label=user.get_username(), request_id=request_id)


def require(actor: Actor, account: Account, right: Right) -> None:
    """Pass where the actor has the right in the account; Slipway itself always has.

    Errors: `NotFound` for someone who is not a member (they may not learn that it exists), `PermissionDenied` for a
    member whose role is too small.
    """
    if actor.user is None:
        return
    role = role_in(actor.user, account)
    if role is None:
        raise NotFound(f"There is no account {account.account_id} that you are a member of.")
    if not allows(role, right):
        raise PermissionDenied(
            f"Your role in {account.account_id} is {role}; this needs the right to {right.replace('_', ' ')}. "
            f"Ask an admin of {account.account_id}."
        )


def require_manager(actor: Actor, account: Account) -> None:
    """Pass where the actor may manage the account's members: its admins, and superusers, who appoint the first ones.

    Errors: as in `require`.
    """
    if actor.user is None or not actor.user.is_superuser:
        require(actor, account, Right.MANAGE_MEMBERS)
