"""allauth's hooks of second factors: how secrets are kept, how often a code is tried, and which sessions had one."""

from __future__ import annotations

import struct
from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.core import context
from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa import signals
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from allauth.mfa.webauthn.forms import AuthenticateWebAuthnForm, LoginWebAuthnForm, ReauthenticateWebAuthnForm
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django import forms
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from redis.exceptions import RedisError

from accounts.actors import Actor, user_actor
from accounts.audit_verbs import PersonalVerb
from accounts.demanded_factor import forget_second_factor, note_second_factor
from accounts.domain.begin_sign_in import begin_sign_in
from accounts.domain.end_sign_in import fail_sign_in, pass_sign_in
from accounts.domain.record import record, record_about
from accounts.models import User
from accounts.origins import origin_of
from accounts.requests import visitor_of
from wire.errors import TooMany
from wire.names import user_name

_SECONDS_OF_A_CODE = 120
"""Longer than a code of an app is taken, with a clock that is half a minute off either way."""

_NO_PASSKEY = (TypeError, ValueError, LookupError, AttributeError, struct.error)
"""What the libraries raise at hostile data, beside their own."""

KEY_IS_GONE = "Your second factor was sealed under a key that is gone. Ask whoever runs this Slipway to put it back."


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Secrets are sealed in the database, as those of connections are."""

    def encrypt(self, text: str) -> str:
        """Under the first of the sealing keys."""
        return _keys().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Under any of them. Errors: `InvalidToken` of cryptography, where none fits."""
        return _keys().decrypt(encrypted_text.encode()).decode()

    def get_totp_issuer(self) -> str:
        """What an app calls the line of codes."""
        return f"Slipway ({context.request.get_host()})"

    def get_totp_label(self, user: User) -> str:
        """Whose codes they are."""
        return user.get_username()


class OnceInAWhile:
    """A form with a code that the throttle lets one try, by itself: a right password gives no more tries at it."""

    user: User
    authenticator: Authenticator
    errors: Any

    def clean_code(self) -> str:
        """Errors: `ValidationError`, where it is wrong, was used just now, or one has to wait (`too_many_of`)."""
        request, now = context.request, timezone.now()
        actor = _actor(request, self.user)
        try:
            attempt = begin_sign_in(
                typed=self.user.get_username(), address=actor.origin.address, now=now, purpose="second factor"
            )
        except TooMany as refusal:
            request.too_many = refusal
            raise forms.ValidationError(refusal.message) from None
        try:
            code: str = super().clean_code()  # type: ignore[misc]
            if self.authenticator.type == Authenticator.Type.TOTP and not self._is_new(code):
                raise forms.ValidationError("This code was used already. Wait for the next one.")
        except RedisError:
            pass_sign_in(attempt=attempt, now=now)
            raise forms.ValidationError(
                "The broker, which remembers the codes that were used, is out of reach. Try again in a moment, "
                "or use a recovery code."
            ) from None
        except InvalidToken:
            pass_sign_in(attempt=attempt, now=now)
            raise forms.ValidationError(KEY_IS_GONE) from None
        except forms.ValidationError:
            fail_sign_in(actor=actor, attempt=attempt, reason="the code of the second factor")
            raise
        pass_sign_in(attempt=attempt, now=now)
        return code

    def _is_new(self, code: str) -> bool:
        """Whether that code of an app was not used already, however it was written."""
        key = f"second-factor:{self.user.pk}:{normalize_user_code(code)}"
        return bool(cache.add(key, True, timeout=_SECONDS_OF_A_CODE))


class SignInCode(OnceInAWhile, AuthenticateForm):  # type: ignore[misc]
    """After the password, or the provider."""


class CodeAgain(OnceInAWhile, ReauthenticateForm):  # type: ignore[misc]
    """Before something that a session alone is not enough for."""


class NotesWrongPasskeys:
    """A form with a passkey that is noted where it opens nothing. It is not counted: nobody guesses one."""

    user: User | None
    what = "the passkey of the second factor"

    def clean_credential(self) -> Authenticator:
        """Errors: `ValidationError`, where it is not theirs, or no passkey at all."""
        try:
            authenticator: Authenticator = super().clean_credential()  # type: ignore[misc]
        except (forms.ValidationError, *_NO_PASSKEY):
            note_passkey(context.request, self.user, self.what)
            raise forms.ValidationError("This passkey opens nothing here.") from None
        return authenticator


class SignInPasskey(NotesWrongPasskeys, AuthenticateWebAuthnForm):  # type: ignore[misc]
    """After the password, or the provider."""


class PasskeyAlone(NotesWrongPasskeys, LoginWebAuthnForm):  # type: ignore[misc]
    """Instead of both."""

    what = "a passkey alone"


class PasskeyAgain(NotesWrongPasskeys, ReauthenticateWebAuthnForm):  # type: ignore[misc]
    """Before something that a session alone is not enough for."""


class ShowsIt:
    """A view that sets a second factor up, which is shown by that: the session had one."""

    request: HttpRequest

    def form_valid(self, form: Any) -> HttpResponse:
        """As allauth does."""
        response: HttpResponse = super().form_valid(form)  # type: ignore[misc]
        assert isinstance(self.request.user, User), "nobody else sets one up"
        note_second_factor(self.request.session, self.request.user)
        # So the recovery codes are shown next, also to who has no password that could be asked for.
        record_authentication(self.request, self.request.user, "mfa", reauthenticated=True)
        return response


def note_passkey(request: HttpRequest, user: User | None, reason: str) -> None:
    """A passkey opened nothing; of nobody in particular where all that says whose it is was sent with it."""
    verb = PersonalVerb.FAIL_TO_SIGN_IN
    if user is None:
        record(actor=visitor_of(request), verb=verb, target="passkey", account=None, reason=reason)
    else:
        record_about(user, actor=_actor(request, user), verb=verb, reason=reason)


def connect_signals() -> None:
    """Have these noted from now on."""
    signals.authenticator_used.connect(_on_used)
    signals.authenticator_added.connect(_on_added)
    signals.authenticator_removed.connect(_on_removed)
    signals.authenticator_reset.connect(_on_reset)


def _on_used(request: HttpRequest, user: User, **kwargs: Any) -> None:
    note_second_factor(request.session, user)


def _on_added(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _note(request, user, "add_second_factor", authenticator)


def _on_removed(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    if not is_mfa_enabled(user):
        forget_second_factor(request.session)
    _note(request, user, "remove_second_factor", authenticator)


def _on_reset(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _note(request, user, "renew_recovery_codes", authenticator)


def _note(request: HttpRequest, user: User, verb: str, authenticator: Authenticator) -> None:
    target, after = user_name(user.get_username()), {"kind": str(authenticator.type)}
    record(actor=_actor(request, user), verb=verb, target=target, account=None, after=after)


def _actor(request: HttpRequest, user: User) -> Actor:
    return user_actor(user, request_id=getattr(request, "request_id", ""), origin=origin_of(request))


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.SLIPWAY_SEALING_KEYS])
