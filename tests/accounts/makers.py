"""Make API keys and signed-in clients for tests of this folder."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.test import Client
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.domain.create_api_key import create_api_key
from accounts.models import Account, ApiKey, User
from accounts.roles import Role
from accounts.scopes import Scope
from tests.makers import make_account, make_member, sign_in


def make_key(
    *,
    account: Account | None = None,
    user: User | None = None,
    role: Role = Role.ADMIN,
    name: str = "ci",
    scope: Scope = Scope.READ,
    now: datetime | None = None,
    days: int | None = 30,
) -> tuple[ApiKey, str]:
    """A key and its secret; of a new member with that role where no user is given."""
    home = account or make_account()
    owner = user or make_member(account=home, role=role)
    return create_api_key(
        actor=SYSTEM, account=home, user=owner, name=name, scope=scope, now=now or timezone.now(), days=days
    )


def client_of(account: Account, role: Role, **user_fields: Any) -> tuple[Client, User]:
    """A browser in which a new member with that role is signed in, and the member."""
    member = make_member(account=account, role=role, **user_fields)
    return sign_in(Client(), member), member
