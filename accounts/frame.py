"""What the frame of every page shows of its reader, as one value: of it the frame's parts are made, each once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from django.http import HttpRequest

from accounts.middleware import AccountContext
from accounts.roles import Right, allows, publishing_right


@dataclass(frozen=True)
class Reader:
    """Who is signed in, and where. `accounts` are those that they can work in, each with their role there."""

    name: str
    is_superuser: bool
    account: str
    role: str
    accounts: tuple[tuple[str, str], ...]
    reads_audit: bool
    sees_connections: bool
    publishes: bool


class Frame:
    """The frame of a request's page; what it shows is looked up at first use, so fragments pay nothing for it."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @cached_property
    def reader(self) -> Reader | None:
        """Who reads it; None for who is not signed in."""
        user = getattr(self._request, "user", None)
        if user is None or not user.is_authenticated:
            return None
        standing: AccountContext = self._request.standing  # type: ignore[attr-defined]
        account, role = standing.account, standing.role
        return Reader(
            name=user.get_username(),
            is_superuser=user.is_superuser,
            account=account.account_id if account else "",
            role=role or "",
            accounts=tuple((each.account.account_id, each.role) for each in standing.memberships),
            reads_audit=allows(role, Right.READ_AUDIT),
            sees_connections=user.is_superuser or allows(role, Right.SEE_CONNECTIONS),
            publishes=account is not None and allows(role, publishing_right(account.account_id)),
        )
