"""Scopes of API keys: what a key may do of what its user's role allows. Pure: no models, no request.

read     sees the account's catalog and launches
launch   also launches trainers, and acts on launches
publish  also publishes shapes

No key manages members, makes keys, reads the audit log or sees connections: for that a person signs in.
"""

from __future__ import annotations

from enum import StrEnum

from accounts.roles import Right, Role, allows


class Scope(StrEnum):
    """What an API key is for; each includes the ones before it."""

    READ = "read"
    LAUNCH = "launch"
    PUBLISH = "publish"


_READ = frozenset({Right.VIEW})
_LAUNCH = _READ | {Right.LAUNCH, Right.CONTROL_ANY_LAUNCH}
_PUBLISH = _LAUNCH | {Right.PUBLISH, Right.PUBLISH_SHARED}

_COVERED: dict[Scope, frozenset[Right]] = {Scope.READ: _READ, Scope.LAUNCH: _LAUNCH, Scope.PUBLISH: _PUBLISH}
_NEEDED = {Scope.READ: Right.VIEW, Scope.LAUNCH: Right.LAUNCH, Scope.PUBLISH: Right.PUBLISH}


def covers(scope: Scope, right: Right) -> bool:
    """Whether a key of that scope may use the right, where its user has it."""
    return right in _COVERED[scope]


def least_scope(right: Right) -> Scope | None:
    """The smallest scope with the right; None where no key ever has it."""
    return next((scope for scope in Scope if covers(scope, right)), None)


def scopes_of(role: Role) -> tuple[Scope, ...]:
    """The scopes that keys of a member of that role may have."""
    return tuple(scope for scope in Scope if allows(role, _NEEDED[scope]))
