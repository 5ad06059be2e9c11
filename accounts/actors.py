"""Who does something: every domain verb takes an `Actor`, and the audit log and the timelines show its label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from accounts.models import Account, ApiKey, User
from accounts.origins import UNKNOWN, Origin
from accounts.queries import role_in
from accounts.roles import Right, Role, allows
from accounts.scopes import Scope, covers, least_scope
from wire.errors import NotFound, PermissionDenied


@dataclass(frozen=True)
class Actor:
    """A user behind a request, or (user None) Slipway itself.

    Where a program acts for the user with an API key, `scope` is the key's and `only_account` the account it is for;
    `role` is the user's there, read with the key when it was shown, and None where that was not just now.
    """

    user: User | None
    label: str
    request_id: str = ""
    origin: Origin = UNKNOWN
    scope: Scope | None = None
    only_account: Account | None = None
    role: Role | None = None

    @property
    def is_superuser(self) -> bool:
        """Whether this is a superuser in person: a key of theirs has a member's rights and no more."""
        return self.user is not None and self.user.is_superuser and self.scope is None


SYSTEM = Actor(user=None, label="Slipway")
VISITOR = Actor(user=None, label="somebody")
"""Who is not signed in (yet)."""


def user_actor(user: User, *, request_id: str = "", origin: Origin = UNKNOWN) -> Actor:
    """The actor for a signed-in user."""
    return Actor(user=user, label=user.get_username(), request_id=request_id, origin=origin)


def key_actor(key: ApiKey, *, request_id: str = "", origin: Origin = UNKNOWN) -> Actor:
    """The actor for a program that showed this key."""
    role = getattr(key, "role", None)
    return Actor(
        user=key.user,
        label=f"{key.user.get_username()} (key {key.name})",
        request_id=request_id,
        origin=origin,
        scope=Scope(key.scope),
        only_account=key.account,
        role=Role(role) if role else None,
    )


def require(actor: Actor, account: Account, right: Right) -> None:
    """Pass where the actor has the right in the account; Slipway itself always has.

    Errors: `NotFound` for someone who is not a member (they may not learn that it exists), and for a key of another
    account; `PermissionDenied` for a member whose role, or a key whose scope, is too small, and for whoever is switched
    off: what was asked for before may be done later.
    """
    if actor.user is None:
        return
    if not actor.user.is_active:
        raise PermissionDenied(f"{actor.user} is switched off. A superuser can switch them on again.")
    if actor.only_account not in (None, account):
        raise NotFound(f"There is no account {account.account_id} that this API key is for.")
    role = actor.role or role_in(actor.user, account)
    if role is None:
        raise NotFound(f"There is no account {account.account_id} that you are a member of.")
    if not allows(role, right):
        raise PermissionDenied(
            f"Your role in {account.account_id} is {role}; this needs the right to {_words(right)}. "
            f"Ask an admin of {account.account_id}."
        )
    if actor.scope is not None and not covers(actor.scope, right):
        enough = least_scope(right)
        remedy = f"Use a key with the scope {enough}" if enough else "No key has it: sign in and do it on the pages"
        raise PermissionDenied(
            f"This API key has the scope {actor.scope}; this needs the right to {_words(right)}. {remedy}."
        )


class Owned(Protocol):
    """What somebody made in an account: a launch, a deployment, a dataset. Its `account` is best loaded."""

    @property
    def account(self) -> Account:
        """Where it stands."""

    @property
    def owner_id(self) -> int | None:
        """The primary key of who made it."""


def right_to_control(actor: Actor, thing: Owned) -> Right:
    """What somebody needs to act on it: owners the right to launch, others to control any launch of the account."""
    owns = actor.user is not None and thing.owner_id == actor.user.pk
    return Right.LAUNCH if owns else Right.CONTROL_ANY_LAUNCH


def may_control(actor: Actor, thing: Owned) -> bool:
    """Whether they have it."""
    try:
        require(actor, thing.account, right_to_control(actor, thing))
    except (NotFound, PermissionDenied):
        return False
    return True


def require_manager(actor: Actor, account: Account) -> None:
    """Pass where the actor may manage the account's members: its admins, and superusers, who appoint the first ones.

    Errors: as in `require`.
    """
    if not actor.is_superuser:
        require(actor, account, Right.MANAGE_MEMBERS)


def require_superuser(actor: Actor) -> None:
    """Pass where a superuser asks in person; Slipway itself always may. Errors: `PermissionDenied`."""
    if actor.user is None or (actor.is_superuser and actor.user.is_active):
        return
    key = " in person: no API key does" if actor.scope is not None else ""
    raise PermissionDenied(f"Only superusers do this{key}. Ask whoever runs this Slipway.")


def manages(actor: Actor, account: Account) -> bool:
    """Whether `require_manager` lets the actor pass."""
    try:
        require_manager(actor, account)
    except (NotFound, PermissionDenied):
        return False
    return True


def _words(right: Right) -> str:
    return right.replace("_", " ")
