"""Reads of the accounts app."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import AnonymousUser

from accounts.models import Account, Membership, User
from accounts.roles import Role


def role_in(user: User | AnonymousUser, account: Account) -> Role | None:
    """The user's role in the account, None where they are not a member."""
    if not user.is_authenticated:
        return None
    found = Membership.objects.filter(account=account, user_id=user.pk).values_list("role", flat=True).first()
    return Role(found) if found else None


def memberships_of(user: User | AnonymousUser) -> Sequence[Membership]:
    """The user's memberships with their accounts, by account id."""
    if not user.is_authenticated:
        return []
    return list(Membership.objects.filter(user_id=user.pk).select_related("account").order_by("account__account_id"))
