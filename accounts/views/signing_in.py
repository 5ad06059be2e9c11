"""Sign in and out: allauth's pages, with an answer that says how it ended."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from allauth.account.internal.stagekit import get_pending_stage
from allauth.account.views import LoginView, LogoutView, ReauthenticateView
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.base.views import ReauthenticateView as MfaReauthenticateView
from allauth.mfa.models import Authenticator
from allauth.mfa.stages import AuthenticateStage
from allauth.mfa.utils import is_mfa_enabled
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.utils import get_request_param
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest, ImproperlyConfigured
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from redis.exceptions import RedisError

from accounts.adapter import too_many_of
from accounts.provider import note_connect, note_failure
from queues.bulkheads import step_aside
from queues.turns import end_turn

_log = logging.getLogger(__name__)
_ASKED_FOR = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


class TellsHowItEnded:
    """422 where name and password do not go together, 429 with Retry-After where one has to wait for the next try."""

    request: HttpRequest

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Hashing a password takes long, and beside it others can compute."""
        end_turn()
        return super().post(request, *args, **kwargs)  # type: ignore[misc, no-any-return]

    def form_invalid(self, form: Any) -> HttpResponse:
        """The form again, with the reason."""
        response: HttpResponse = super().form_invalid(form)  # type: ignore[misc]
        response.status_code = HTTPStatus.UNPROCESSABLE_ENTITY
        if refusal := too_many_of(self.request):
            response.status_code = HTTPStatus.TOO_MANY_REQUESTS
            response["Retry-After"] = str(refusal.retry_after)
        return response


class SignIn(TellsHowItEnded, LoginView):  # type: ignore[misc]
    """By a password."""


class SignInAgain(TellsHowItEnded, ReauthenticateView):  # type: ignore[misc]
    """By a password, before something that a session alone is not enough for."""


class SecondFactor(TellsHowItEnded, AuthenticateView):  # type: ignore[misc]
    """The code or the passkey, after the password or the provider."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Back to the beginning for who has no factor any more: allauth would send them to and fro."""
        stage = get_pending_stage(request)
        if stage and stage.key == AuthenticateStage.key and not is_mfa_enabled(stage.login.user, _ASKED_FOR):
            return stage.abort()  # type: ignore[no-any-return]
        return super().dispatch(request, *args, **kwargs)  # type: ignore[no-any-return]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Which of them there is."""
        user = self.stage.login.user
        kinds = {kind: is_mfa_enabled(user, [kind]) for kind in _ASKED_FOR}
        shown = {"has_app": kinds[Authenticator.Type.TOTP], "has_passkey": kinds[Authenticator.Type.WEBAUTHN]}
        return super().get_context_data(**kwargs) | shown  # type: ignore[no-any-return]


class SecondFactorAgain(TellsHowItEnded, MfaReauthenticateView):  # type: ignore[misc]
    """The code, before something that a session alone is not enough for."""


@require_POST
@never_cache
def sign_in_by_provider(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Go to the identity provider; with process=connect to sign in by it from now on, as the user who asks."""
    _need_provider()
    process = get_request_param(request, "process", AuthProcess.LOGIN)  # as allauth reads it, or it would read another
    if process == AuthProcess.CONNECT:
        return _connect(request, provider_id)
    if process != AuthProcess.LOGIN:
        raise BadRequest("The field process is neither login nor connect.")
    return _ask_provider(request, provider_id, "login")


@require_GET
@never_cache
def provider_answers(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Come back from there, signed in or with the reason why not."""
    _need_provider()
    return _ask_provider(request, provider_id, "callback")


@login_required
def _connect(request: HttpRequest, provider_id: str) -> HttpResponse:
    raise_if_reauthentication_required(request, app="allauth.socialaccount")
    note_connect(request)
    return _ask_provider(request, provider_id, "login")


def _need_provider() -> None:
    if not settings.SLIPWAY_OIDC_ISSUER:
        raise Http404("SLIPWAY_OIDC_ISSUER names no identity provider.")


def _ask_provider(request: HttpRequest, provider_id: str, view: str) -> HttpResponse:
    """allauth's view, which waits for the provider: without a place or a connection that others could use."""
    import requests  # noqa: PLC0415 - these cost a start more than they are worth where nobody signs in so
    from allauth.socialaccount.providers.openid_connect import views  # noqa: PLC0415

    step_aside()
    try:
        response: HttpResponse = getattr(views, view)(request, provider_id)
    except RedisError as error:
        _log.warning("the broker, which remembers answers of the provider, is out of reach: %s", error)
        context, status = {"is_broker_lost": True}, HTTPStatus.SERVICE_UNAVAILABLE
        return render(request, "socialaccount/authentication_error.html", context, status=status)
    except (
        *(requests.RequestException, KeyError, TypeError, ValueError, AttributeError),
        ImproperlyConfigured,  # a name of the person that is too long to be kept
    ) as error:
        _log.warning("the identity provider's answer was no good: %s: %s", type(error).__name__, error)
        note_failure(request, f"the provider's answer was no good ({type(error).__name__})")
        return render(request, "socialaccount/authentication_error.html", status=HTTPStatus.BAD_GATEWAY)
    return response


sign_in = SignIn.as_view()
sign_out = LogoutView.as_view()
sign_in_again = SignInAgain.as_view()
second_factor = SecondFactor.as_view()
second_factor_again = SecondFactorAgain.as_view()
