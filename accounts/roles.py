"""Roles and what they may do. Pure: no models, no request.

viewer    sees the account's catalog and launches, and makes API keys of their own
launcher  also launches trainers, and acts on launches of their own
publisher also publishes shapes, controls any launch of the account, and reads its audit log
admin     also manages members, sees their sign-ins and everybody's addresses in the audit log, renames the account,
          sees the connections that it may use, and publishes to the shared account where this is it
"""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """A member's role in one account; each includes the ones before it."""

    VIEWER = "viewer"
    LAUNCHER = "launcher"
    PUBLISHER = "publisher"
    ADMIN = "admin"


class Right(StrEnum):
    """Something that a verb asks for before it acts."""

    VIEW = "view"
    MAKE_KEYS = "make_keys"
    LAUNCH = "launch"
    CONTROL_ANY_LAUNCH = "control_any_launch"
    PUBLISH = "publish"
    READ_AUDIT = "read_the_audit_log"
    READ_SIGN_INS = "read_sign_ins_and_addresses"
    PUBLISH_SHARED = "publish_to_the_shared_account"
    MANAGE_MEMBERS = "manage_members"
    SEE_CONNECTIONS = "see_connections"
    ORDER_CONNECTIONS = "order_connections"


_VIEWER = frozenset({Right.VIEW, Right.MAKE_KEYS})
_LAUNCHER = _VIEWER | {Right.LAUNCH}
_PUBLISHER = _LAUNCHER | {Right.PUBLISH, Right.CONTROL_ANY_LAUNCH, Right.READ_AUDIT}
_ADMIN = _PUBLISHER | {
    Right.PUBLISH_SHARED,
    Right.MANAGE_MEMBERS,
    Right.READ_SIGN_INS,
    Right.SEE_CONNECTIONS,
    Right.ORDER_CONNECTIONS,
}

RIGHTS: dict[Role, frozenset[Right]] = {
    Role.VIEWER: _VIEWER,
    Role.LAUNCHER: _LAUNCHER,
    Role.PUBLISHER: _PUBLISHER,
    Role.ADMIN: _ADMIN,
}


def allows(role: Role | None, right: Right) -> bool:
    """Whether someone of that role (None: not a member) has the right."""
    return role is not None and right in RIGHTS[role]


def includes(role: Role, other: Role) -> bool:
    """Whether the role has every right of the other one."""
    return RIGHTS[role] >= RIGHTS[other]


SHARED_ACCOUNT = "fireworks"
"""The account of the catalog that everybody shares; its admins only publish to it."""


def publishing_right(account_id: str) -> Right:
    """What making and publishing shapes of the account needs."""
    return Right.PUBLISH_SHARED if account_id == SHARED_ACCOUNT else Right.PUBLISH
