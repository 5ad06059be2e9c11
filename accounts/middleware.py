"""The account that a signed-in user currently works in."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from accounts.models import Account, Membership
from accounts.queries import memberships_of
from accounts.roles import Role

SESSION_KEY = "active_account"
PREFERRED_ACCOUNT = "local"


class AccountContext:
    """Where the user of a request stands: their memberships and the one they work in now."""

    def __init__(self, request: HttpRequest) -> None:
        self.memberships = memberships_of(request.user)
        chosen = request.session.get(SESSION_KEY, PREFERRED_ACCOUNT) if self.memberships else None
        self.active: Membership | None = next(
            (m for m in self.memberships if m.account.account_id == chosen), next(iter(self.memberships), None)
        )

    @property
    def account(self) -> Account | None:
        """The account that launches made now belong to."""
        return self.active.account if self.active else None

    @property
    def role(self) -> Role | None:
        """The user's role in that account."""
        return Role(self.active.role) if self.active else None


def active_account(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: `request.standing`, read from the database on first use only."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.standing = SimpleLazyObject(lambda: AccountContext(request))  # type: ignore[attr-defined]
        return get_response(request)

    return middleware
