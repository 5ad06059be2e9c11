"""How somebody signs in."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView
from allauth.mfa.webauthn.views import AddWebAuthnView, RemoveWebAuthnView
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse, reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.domain.end_session import end_other_sessions, end_session
from accounts.domain.hand_over import is_break_glass
from accounts.models import User
from accounts.requests import SlipwayRequest, actor_of, see_other
from accounts.second_factor import KEY_IS_GONE, ShowsIt
from wire.counts import quantity
from wire.errors import NotFound


class SetUpApp(ShowsIt, ActivateTOTPView):  # type: ignore[misc]
    """An app that shows codes."""


class AddPasskey(ShowsIt, AddWebAuthnView):  # type: ignore[misc]
    """A passkey, which can also be all that one signs in by."""

    def get_initial(self) -> dict[str, Any]:
        """As most passkeys are meant."""
        return {"passwordless": True}


class RecoveryCodes(ViewRecoveryCodesView):  # type: ignore[misc]
    """Those that are left."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Or why they cannot be shown."""
        try:
            return super().dispatch(request, *args, **kwargs)  # type: ignore[no-any-return]
        except InvalidToken:
            messages.error(request, KEY_IS_GONE)
            return see_other(reverse("mfa_index"))


class NewRecoveryCodes(GenerateRecoveryCodesView):  # type: ignore[misc]
    """In place of those that are left, also where their key is gone."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """How many those are, unless nobody can know any more."""
        try:
            return super().get_context_data(**kwargs)  # type: ignore[no-any-return]
        except InvalidToken:
            return super(GenerateRecoveryCodesView, self).get_context_data(**kwargs)  # type: ignore[no-any-return]


class RemovePasskey(RemoveWebAuthnView):  # type: ignore[misc]
    """One's own, and back to the others."""

    success_url = reverse_lazy("mfa_index")


@require_safe
@login_required
@never_cache
def security(request: SlipwayRequest) -> HttpResponse:
    """Show it, and what can be changed about it."""
    assert isinstance(request.user, User), "login_required lets nobody else in"
    factors = list(Authenticator.objects.filter(user_id=request.user.pk).order_by("pk"))
    context: dict[str, Any] = {
        "has_password": request.user.has_usable_password(),
        "is_provided": SocialAccount.objects.filter(user_id=request.user.pk).exists(),
        "app": next((each for each in factors if each.type == Authenticator.Type.TOTP), None),
        "passkeys": [each for each in factors if each.type == Authenticator.Type.WEBAUTHN],
        "asks_for_one": bool(settings.SLIPWAY_MFA_ROLES),
        "roles": " or ".join(settings.SLIPWAY_MFA_ROLES),
        "sessions": _sessions_of(request, request.user),
        "is_break_glass": is_break_glass(request.user),
    }
    return render(request, "account/security.html", context)


@require_POST
@login_required
@never_cache
def session_end(request: SlipwayRequest, number: int) -> HttpResponse:
    """End one of one's own sessions."""
    try:
        end_session(actor=actor_of(request), number=number)
    except NotFound as refusal:
        raise Http404(refusal.message) from None
    messages.success(request, "That browser is signed out.")
    return see_other(reverse("mfa_index"))


@require_POST
@login_required
@never_cache
def sessions_end(request: SlipwayRequest) -> HttpResponse:
    """End all of one's own sessions but this one."""
    ended = end_other_sessions(actor=actor_of(request), current=request.session.session_key or "")
    messages.success(request, f"{quantity(ended, 'other session')} ended.")
    return see_other(reverse("mfa_index"))


def _sessions_of(request: SlipwayRequest, user: User) -> list[UserSession]:
    """Those that go on, this one first, then the newest. It asks for each whether it does."""
    here = request.session.session_key
    going_on: list[UserSession] = UserSession.objects.purge_and_list(user)
    newest_first = sorted(going_on, key=lambda session: session.created_at, reverse=True)
    return sorted(newest_first, key=lambda session: session.session_key != here)


set_up_app = SetUpApp.as_view()
add_passkey = AddPasskey.as_view()
recovery_codes = RecoveryCodes.as_view()
new_recovery_codes = NewRecoveryCodes.as_view()
remove_passkey = RemovePasskey.as_view()
