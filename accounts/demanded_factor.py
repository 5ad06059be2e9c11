"""The second factor that a role may demand, and whether a session had it."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase

from accounts.models import Membership, User
from accounts.roles import Role

_KEY = "second_factor"
"""In a session: the user who showed a second factor, too, for a session may pass from one to another."""


def note_second_factor(session: SessionBase, user: User) -> None:
    """The user showed one, in that session."""
    session[_KEY] = str(user.pk)


def forget_second_factor(session: SessionBase) -> None:
    """Nobody did, or it counts for nothing any more."""
    session.pop(_KEY, None)


def had_second_factor(session: SessionBase, user: User | AnonymousUser) -> bool:
    """Whether it was this user."""
    return bool(session.get(_KEY) == str(user.pk))


def demands_second_factor(user: User | AnonymousUser, memberships: Iterable[Membership]) -> bool:
    """Whether one of the user's roles does (SLIPWAY_MFA_ROLES). Superusers count as admins."""
    roles = {str(membership.role) for membership in memberships}
    if user.is_superuser:
        roles.add(Role.ADMIN)
    return not roles.isdisjoint(settings.SLIPWAY_MFA_ROLES)
