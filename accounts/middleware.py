"""The account that a signed-in user currently works in, and the second factor that their role may ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django_htmx.http import HttpResponseClientRedirect

from accounts.demanded_factor import demands_second_factor, had_second_factor
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


def require_second_factor(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: who has one of SLIPWAY_MFA_ROLES somewhere, and showed no second factor, sets one up before all else.

    Superusers count as admins. It costs pages nothing where that is not set, and no query where the session had one.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    def look(request: HttpRequest, *_: Any) -> HttpResponse | None:
        if not settings.SLIPWAY_MFA_ROLES or settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return None
        name = request.resolver_match.url_name if request.resolver_match else None
        if name in _WITHOUT or not request.user.is_authenticated or had_second_factor(request.session, request.user):
            return None
        demanded = demands_second_factor(request.user, request.standing.memberships)  # type: ignore[attr-defined]
        return _send_to_second_factor(request) if demanded else None

    middleware.process_view = look  # type: ignore[attr-defined]
    return middleware


_WITHOUT = {
    *("mfa_index", "mfa_activate_totp", "mfa_add_webauthn", "mfa_view_recovery_codes"),
    *("account_login", "account_logout", "account_reauthenticate"),
    *("mfa_reauthenticate", "mfa_reauthenticate_webauthn", "mfa_login_webauthn"),
    *("openid_connect_login", "openid_connect_callback", "set_theme", "switch_account"),
    *("healthz", "readyz", "statusz", "metrics", "version"),
}
"""What is there for who has to show a second factor, and did not yet."""


def _page_of(request: HttpRequest) -> str:
    """Where the browser stands: a part of a page, or what is posted, is no page to go on to."""
    if htmx := getattr(request, "htmx", None):
        return htmx.current_url_abs_path or "/"
    return request.get_full_path() if request.method in ("GET", "HEAD") else "/"


def _send_to_second_factor(request: HttpRequest) -> HttpResponse:
    """To show the one that they have, or to set one up."""
    has_one = Authenticator.objects.filter(user_id=request.user.pk).exists()
    if has_one:
        address = f"{reverse('mfa_reauthenticate')}?{urlencode({'next': _page_of(request)})}"
    else:
        messages.warning(request, "Your role here asks for a second factor. Set one up, then all else opens.")
        address = reverse("mfa_index")
    return HttpResponseClientRedirect(address) if getattr(request, "htmx", False) else HttpResponseRedirect(address)
