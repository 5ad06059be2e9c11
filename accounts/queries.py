"""Reads of the accounts app."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import AnonymousUser
from django.db.models import BigIntegerField, Q, QuerySet

from accounts.models import Account, ApiKey, Invitation, Membership, User
from accounts.roles import Role
from lists.orders import Order, page_of
from lists.pages import Page
from lists.prepared import Given, Prepared
from wire.errors import NotFound

MOST_INVITATIONS = 100


def role_in(user: User | AnonymousUser, account: Account) -> Role | None:
    """The user's role in the account, None where they are not a member."""
    if not user.is_authenticated:
        return None
    found = _ROLES.first(account=account.pk, user=user.pk)
    return Role(found) if found else None


def _roles() -> QuerySet[Membership, str]:
    account, user = Given("account", BigIntegerField()), Given("user", BigIntegerField())
    return Membership.objects.filter(account_id=account, user_id=user).values_list("role", flat=True)


_ROLES = Prepared(_roles)


def memberships_of(user: User | AnonymousUser) -> Sequence[Membership]:
    """The user's memberships with their accounts, by account id."""
    if not user.is_authenticated:
        return []
    return _MEMBERSHIPS.rows(user=user.pk)


def _memberships() -> QuerySet[Membership]:
    found = Membership.objects.filter(user_id=Given("user", BigIntegerField()))
    return found.select_related("account").order_by("account__account_id")


_MEMBERSHIPS = Prepared(_memberships)


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


def list_members(account: Account, wanted: Q, order: Order, cursor: str = "") -> Page[Membership]:
    """The account's memberships with their users. Errors: `NoSuchPage`."""
    return page_of(account.memberships.filter(wanted).select_related("user"), order, cursor)


def find_member(account: Account | None, number: int) -> Membership:
    """The membership with its user. Errors: `NotFound` where the account has no such member (any more)."""
    found = Membership.objects.filter(account=account, pk=number).select_related("account", "user").first()
    if account is None or found is None:
        raise NotFound("There is no such member of the account that you work in; somebody may have removed them since.")
    return found


def open_invitations(account: Account, now: datetime) -> list[Invitation]:
    """Invitations that can still be accepted, newest first, at most a hundred: they last a week."""
    found = account.invitations.filter(accepted_at=None, revoked_at=None, expires_at__gt=now)
    return list(found.select_related("created_by").order_by("-pk")[:MOST_INVITATIONS])


def find_invitation(account: Account | None, number: int) -> Invitation:
    """The invitation, open or not. Errors: `NotFound`."""
    found = Invitation.objects.filter(account=account, pk=number).select_related("account").first()
    if account is None or found is None:
        raise NotFound("There is no such invitation into the account that you work in.")
    return found


def list_keys(account: Account, user: User | None, wanted: Q, order: Order, cursor: str = "") -> Page[ApiKey]:
    """The user's keys of the account (None: everybody's), revoked ones too. Errors: `NoSuchPage`."""
    keys = account.api_keys.filter(wanted).select_related("user")
    return page_of(keys if user is None else keys.filter(user=user), order, cursor)


def find_key(account: Account | None, user: User | None, number: int) -> ApiKey:
    """The key, where it is the user's (None: anybody's) for the account. Errors: `NotFound`."""
    found = ApiKey.objects.filter(account=account, pk=number).select_related("account", "user").first()
    if account is None or found is None or (user is not None and found.user != user):
        raise NotFound("There is no such API key of yours for the account that you work in.")
    return found


def key_names_in_use(account: Account, user: User, now: datetime) -> set[str]:
    """What the user's keys for the account are called that still open something: not revoked, not expired."""
    keys = ApiKey.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), account=account, user=user)
    return set(keys.filter(revoked_at=None).values_list("name", flat=True))


def count_live_keys(account: Account, user: User) -> int:
    """How many keys of the user for the account are not revoked; expired ones count."""
    return ApiKey.objects.filter(account=account, user=user, revoked_at=None).count()


def count_keys_of(user: User, now: datetime) -> int:
    """How many keys of the user, for whatever account, open something."""
    return ApiKey.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), user=user, revoked_at=None).count()
