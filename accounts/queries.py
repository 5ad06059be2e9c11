"""Reads of the accounts app."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import AnonymousUser

from accounts.models import Account, Membership, User
from accounts.roles import Role
from wire.errors import NotFound


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


def account_by_id(account_id: str) -> Account:
    """The account of that id. Errors: `NotFound`, naming the accounts that there are: for operators only."""
    account = Account.objects.filter(account_id=account_id).first()
    if account is None:
        known = ", ".join(Account.objects.order_by("account_id").values_list("account_id", flat=True)[:20])
        raise NotFound(f"There is no account {account_id!r}. Accounts: {known or 'none; run setup_accounts first'}.")
    return account


def user_by_name(username: str) -> User | None:
    """The user of that name, compared without case as at sign-in."""
    return User.objects.filter(username__iexact=username).first()
