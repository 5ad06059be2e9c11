"""Roles and what they may do. Pure: no models, no request.

viewer    sees the account's catalog and launches
launcher  also launches trainers, and acts on launches of their own
publisher also publishes shapes, and controls any launch of the account
admin     also manages members
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
    LAUNCH = "launch"
    CONTROL_ANY_LAUNCH = "control_any_launch"
    PUBLISH = "publish"
    MANAGE_MEMBERS = "manage_members"


_VIEWER = frozenset({Right.VIEW})
_LAUNCHER = _VIEWER | {Right.LAUNCH}
_PUBLISHER = _LAUNCHER | {Right.PUBLISH, Right.CONTROL_ANY_LAUNCH}
_ADMIN = _PUBLISHER | {Right.MANAGE_MEMBERS}

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
