"""What an identity provider's groups give here. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from accounts.roles import Role, includes

SUPERUSER = "superuser"


@dataclass(frozen=True)
class Grant:
    """That a group gives a role in an account; without an account: that it makes superusers."""

    group: str
    account_id: str = ""
    role: Role | None = None


Grants = tuple[Grant, ...]


def read_grants(raw: str) -> Grants:
    """Grants from `group=account:role` and `group=superuser` between commas. Errors: `ValueError`."""
    return tuple(_read(part.strip()) for part in raw.split(",") if part.strip())


def _read(part: str) -> Grant:
    group, _, given = (text.strip() for text in part.rpartition("="))
    account_id, _, role = given.partition(":")
    if group and given == SUPERUSER:
        return Grant(group)
    if not group or not account_id or role not in list(Role):
        raise ValueError(f"{part!r} is none of group=account:role (roles: {', '.join(Role)}) and group={SUPERUSER}")
    return Grant(group, account_id, Role(role))


def roles_of(groups: Collection[str], grants: Grants) -> dict[str, Role | None]:
    """The role in each account that the grants speak of, the highest that a group gives; None where no group does."""
    roles: dict[str, Role | None] = {}
    for grant in grants:
        if grant.role is None:
            continue
        held = roles.setdefault(grant.account_id, None)
        if grant.group in groups and (held is None or includes(grant.role, held)):
            roles[grant.account_id] = grant.role
    return roles


def makes_superuser(groups: Collection[str], grants: Grants) -> bool | None:
    """Whether a group makes a superuser; None where no grant speaks of that."""
    makers = {grant.group for grant in grants if grant.role is None}
    return bool(makers.intersection(groups)) if makers else None


def groups_in(claims: Mapping[str, Any], claim: str) -> frozenset[str]:
    """The groups that a provider's answer names: texts, or a single one; anything else is none."""
    found = claims.get(claim)
    listed = found if isinstance(found, list) else [found]
    return frozenset(each for each in listed if isinstance(each, str))
