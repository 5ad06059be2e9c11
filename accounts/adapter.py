"""allauth's hooks: nobody signs up unasked, passwords are tried as often as the throttle lets them, all is noted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.stagekit import clear_login
from allauth.mfa.webauthn.internal.flows import did_use_passwordless_login
from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from accounts.actors import user_actor
from accounts.demanded_factor import forget_second_factor, note_second_factor
from accounts.domain.begin_sign_in import begin_sign_in
from accounts.domain.end_sign_in import fail_sign_in, pass_sign_in, sign_in
from accounts.domain.hand_over import is_break_glass
from accounts.domain.sign_out import sign_out
from accounts.models import User
from accounts.origins import origin_of
from accounts.provider import needs_provider, note_failure, provider_of
from accounts.requests import SlipwayRequest, actor_of, visitor_of
from accounts.second_factor import note_passkey
from wire.errors import TooMany


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Members come by invitation, with a user name; a mail server is not needed."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """As everywhere else in Slipway; a session of an unknown address is noted, too."""
        return origin_of(request).address or "::"

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """Who has the name and the password. Errors: `ValidationError` where one has to wait (`too_many_of`)."""
        now = timezone.now()
        user = User(username=credentials["username"])
        again = (
            getattr(request.user, "username", "") == user.username
        )  # so that who is here may go over to the provider
        if settings.SLIPWAY_OIDC_ONLY and not again and not is_break_glass(user):
            note_failure(request, "by a password, where only the provider opens")
            raise forms.ValidationError(f"Sign in by {settings.SLIPWAY_OIDC_NAME}: here no password opens anything.")
        try:
            attempt = begin_sign_in(typed=credentials["username"], address=origin_of(request).address, now=now)
        except TooMany as refusal:
            request.too_many = refusal  # type: ignore[attr-defined]
            raise forms.ValidationError(refusal.message) from None
        known: User | None = super().authenticate(request, **credentials)
        if known is None:
            fail_sign_in(actor=visitor_of(request), attempt=attempt)
        elif not known.is_active:
            fail_sign_in(actor=visitor_of(request), attempt=attempt, reason="switched off")
        else:
            pass_sign_in(attempt=attempt, now=now)
        return known

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """Whom a passkey alone does not let in: who signs in by the provider, or everybody where only that opens."""
        alone = did_use_passwordless_login(request, user) and not provider_of(request, user)
        if alone and not user.is_active:  # allauth says so
            note_passkey(request, user, "a passkey alone, switched off")
        elif alone and needs_provider(user):
            note_passkey(request, user, "a passkey alone, where only the provider opens")
            clear_login(request)  # allauth noted the passkey, which would count after the provider, too, or for another
            forget_second_factor(request.session)
            messages.error(request, f"Sign in by {settings.SLIPWAY_OIDC_NAME}: your passkey is asked for after that.")
            return HttpResponseRedirect(reverse("account_login"))
        response: HttpResponse | None = super().pre_login(request, user, **kwargs)
        return response

    def login(self, request: HttpRequest, user: User) -> None:
        """Begin a session."""
        super().login(request, user)
        if provider := provider_of(request, user):
            request.session.set_expiry(timedelta(hours=settings.SLIPWAY_OIDC_SESSION_HOURS))
            if getattr(request, "had_second_factor", settings.SLIPWAY_OIDC_MFA):
                note_second_factor(request.session, user)
        note_sign_in(request, user, provider)

    def logout(self, request: SlipwayRequest) -> None:
        """End the session."""
        sign_out(actor=actor_of(request))
        super().logout(request)


def note_sign_in(request: HttpRequest, user: User, provider: str = "") -> None:
    """Note a session that has begun, from the form, by an invitation or by the provider that is named."""
    actor = user_actor(user, request_id=getattr(request, "request_id", ""), origin=origin_of(request))
    sign_in(actor=actor, user=user, now=timezone.now(), provider=provider)


def too_many_of(request: HttpRequest) -> TooMany | None:
    """The throttle's refusal of this request, if it refused."""
    return getattr(request, "too_many", None)
