"""Make an API key."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import transaction

from accounts.actors import Actor, require
from accounts.domain.add_member import lock_membership
from accounts.domain.record import record
from accounts.domain.revoke_api_key import revoke_keys_of
from accounts.models import KEY_NAME_LENGTH, Account, ApiKey, User
from accounts.queries import key_names_in_use
from accounts.roles import Right, Role
from accounts.scopes import Scope, scopes_of
from wire.errors import InvalidArgument, NotFound, PermissionDenied, Violation

LIFETIMES: tuple[int | None, ...] = (30, 90, 365, None)
"""Days after which a key may expire; None is never."""
DEFAULT_LIFETIME = 90

MARK = "slpw_"
"""How a secret begins, so that scanners find one that leaked. Never `tml-`: the official client treats those apart."""
_SECRET_BYTES = 32
_SHOWN = len(MARK) + 6


@transaction.atomic
def create_api_key(
    *,
    actor: Actor,
    account: Account,
    user: User,
    name: str,
    scope: Scope,
    now: datetime,
    days: int | None,
    job: str = "",
    secret: str = "",
) -> tuple[ApiKey, str]:
    """Make a key of the user for the account that expires after so many days, None for never.

    Returns it with its secret, which is stored nowhere. With a `job` it is for that trainer job alone; `secret` is
    given by who can make the same one again, and is random otherwise. A key of that name that has expired is revoked.
    Errors: `NotFound` where the user is not a member, `PermissionDenied` for anybody but the user in person and
    Slipway, `InvalidArgument` naming `name`, `scope`, `days`.
    """
    require(actor, account, Right.MAKE_KEYS)
    if actor.user is not None and actor.user != user:
        raise PermissionDenied(f"A key acts for its user, so only {user} makes keys of {user}.")
    membership = lock_membership(account, user)  # else one who is just being removed could keep a key
    if membership is None:
        raise NotFound(f"{user} is not a member of {account}.")
    if violations := [
        *_wrong_name(account, user, name, now),
        *_wrong_scope(account, Role(membership.role), scope),
        *_wrong_days(days),
    ]:
        raise InvalidArgument(violations)
    revoke_keys_of(actor=actor, account=account, user=user, now=now, name=name)
    secret = secret or MARK + secrets.token_urlsafe(_SECRET_BYTES)
    key = ApiKey.objects.create(
        account=account,
        user=user,
        name=name,
        prefix=secret[:_SHOWN],
        secret_hash=hash_secret(secret),
        scope=scope,
        job=job,
        created_by=actor.label,
        expires_at=None if days is None else now + timedelta(days=days),
    )
    record(
        actor=actor,
        verb="create_api_key",
        target=key.resource_name,
        account=account,
        after={
            "name": name,
            "user": user.get_username(),
            "scope": scope,
            "prefix": key.prefix,
            **({"job": job} if job else {}),
            "expiresAt": key.expires_at and key.expires_at.isoformat(),
        },
    )
    return key, secret


def hash_secret(secret: str) -> str:
    """sha256 (hex). The secret has 256 random bits, so a slow hash would add nothing but load."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _wrong_name(account: Account, user: User, name: str, now: datetime) -> list[Violation]:
    if not name.strip() or len(name) > KEY_NAME_LENGTH or not name.isprintable():
        return [Violation("name", f"Use 1 to {KEY_NAME_LENGTH} visible characters.")]
    if name in key_names_in_use(account, user, now):
        return [Violation("name", f"{user} has a key named {name} in {account}. Choose another name, or revoke it.")]
    return []


def _wrong_scope(account: Account, role: Role, scope: Scope) -> list[Violation]:
    allowed = scopes_of(role)
    if scope in allowed:
        return []
    return [
        Violation(
            "scope",
            f"A key of a {role} of {account} can have the scope {' or '.join(allowed)}, not {scope}. "
            f"An admin of {account} can change the role.",
        )
    ]


def _wrong_days(days: int | None) -> list[Violation]:
    if days in LIFETIMES:
        return []
    return [Violation("days", f"A key lasts {', '.join(str(some) for some in LIFETIMES if some)} days, or for ever.")]
