"""allauth's hooks of sign-in by an identity provider: whom it vouches for, and what their groups give."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.base.constants import AuthError, AuthProcess
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import redirect, render
from django.utils import timezone

from accounts.actors import Actor
from accounts.audit_verbs import PersonalVerb
from accounts.domain.create_provided_user import Person, create_provided_user
from accounts.domain.end_sessions import end_sessions
from accounts.domain.follow_groups import follow_groups
from accounts.domain.hand_over import hand_over, is_break_glass
from accounts.domain.record import record, record_about
from accounts.groups import groups_in, makes_superuser, roles_of
from accounts.models import User
from accounts.queries import memberships_of
from accounts.requests import actor_of, keep_signed_in, visitor_of
from wire.errors import FailedPrecondition

_CONNECT_KEY = "connect_begun_by"
UNKNOWN_GROUPS = "no group of theirs has a role here"


class ProviderAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Whoever the provider vouches for gets a user, if SLIPWAY_OIDC_ROLES has a role for them or is not set."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """For who got past `pre_social_login`."""
        return True

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Let the groups act, or say why nobody gets in. Errors: `ImmediateHttpResponse`."""
        claims = _claims(sociallogin)
        sociallogin.groups = groups_in(claims, settings.SLIPWAY_OIDC_GROUPS_CLAIM)
        ways = claims.get("amr")
        if isinstance(ways, list) and "mfa" in ways:
            request.had_second_factor = True  # type: ignore[attr-defined]  # for who begins the session
        sociallogin.email_addresses = []  # allauth would look for who else has them; here they open nothing
        sociallogin.account.extra_data = {}
        sociallogin.wanted_name = sociallogin.user.username  # allauth takes it away where somebody here has it
        if sociallogin.is_existing:
            sociallogin.account.save(update_fields=["extra_data"])
        if sociallogin.state.get("process") == AuthProcess.CONNECT:
            self._connect(request, sociallogin)
        elif sociallogin.is_existing:
            self._greet(request, sociallogin.user, sociallogin)
        elif not _gives_something(sociallogin.groups):
            self._turn_away(request)

    def save_user(self, request: HttpRequest, sociallogin: Any, form: Any = None) -> User:
        """The user of somebody new, with the roles of their groups."""
        told, actor = sociallogin.user, _provider(request)
        person = Person(sociallogin.wanted_name, told.email, told.first_name, told.last_name)
        with transaction.atomic():
            user = create_provided_user(actor=actor, person=person)
            sociallogin.account.user = user
            sociallogin.account.save()
            follow_groups(actor=actor, user=user, groups=sociallogin.groups, now=timezone.now())
        sociallogin.user = user
        return user

    def on_authentication_error(self, request: HttpRequest, provider: Any, **details: Any) -> None:
        """Back to the form where somebody changed their mind; else the page of the error. Note either."""
        given_up = details.get("error") == AuthError.CANCELLED
        why = "given up" if given_up else f"the provider's answer was no good ({_fault(details)})"
        note_failure(request, why)
        if given_up:
            messages.info(request, f"You did not sign in by {settings.SLIPWAY_OIDC_NAME}.")
            raise ImmediateHttpResponse(redirect("account_login"))

    def _greet(self, request: HttpRequest, user: User, sociallogin: Any) -> None:
        """A user whom the provider vouches for again: what their groups give now, or nothing any more."""
        if not user.is_active:  # allauth says so
            verb = PersonalVerb.FAIL_TO_SIGN_IN
            record_about(user, actor=visitor_of(request), verb=verb, reason="switched off")
            return
        with transaction.atomic():
            follow_groups(actor=_provider(request), user=user, groups=sociallogin.groups, now=timezone.now())
            stays = _gets_in(user)
            if not stays:
                end_sessions(user)
        if not stays:
            self._turn_away(request, user)

    def _turn_away(self, request: HttpRequest, user: User | None = None) -> None:
        actor = visitor_of(request)
        if user is None:
            note_failure(request, UNKNOWN_GROUPS)
        else:
            record_about(user, actor=actor, verb=PersonalVerb.FAIL_TO_SIGN_IN, reason=UNKNOWN_GROUPS)
        context = {"provider": settings.SLIPWAY_OIDC_NAME}
        answer = render(request, "account/no_role.html", context, status=HTTPStatus.FORBIDDEN)
        raise ImmediateHttpResponse(answer)

    def _connect(self, request: HttpRequest, sociallogin: Any) -> None:
        """The user who is signed in, and whom the provider vouches for from now on, instead of a password."""
        user, begun_by = request.user, request.session.pop(_CONNECT_KEY, "")
        if not isinstance(user, User) or begun_by != str(user.pk):
            messages.error(
                request, f"Choose {settings.SLIPWAY_OIDC_NAME} here once more: another began that, or nobody."
            )
        elif sociallogin.is_existing and sociallogin.user != user:
            messages.error(request, f"That person of {settings.SLIPWAY_OIDC_NAME} is another user here already.")
        elif not sociallogin.is_existing:
            try:
                self._hand_over(request, user, sociallogin)
            except FailedPrecondition as refusal:
                messages.error(request, refusal.message)
        raise ImmediateHttpResponse(redirect("mfa_index"))

    def _hand_over(self, request: HttpRequest, user: User, sociallogin: Any) -> None:
        with transaction.atomic():
            hand_over(actor=actor_of(request), user=user)
            sociallogin.account.user = user
            sociallogin.account.save()
            follow_groups(actor=_provider(request), user=user, groups=sociallogin.groups, now=timezone.now())
            if not _gets_in(user):
                raise FailedPrecondition(
                    f"None of your groups at {settings.SLIPWAY_OIDC_NAME} has a role here: by it you would not get in "
                    "any more. Nothing was changed."
                )
        keep_signed_in(request)
        request.session.set_expiry(timedelta(hours=settings.SLIPWAY_OIDC_SESSION_HOURS))
        messages.success(request, f"From now on you sign in by {settings.SLIPWAY_OIDC_NAME}; your password is gone.")


def note_failure(request: HttpRequest, why: str) -> None:
    """Somebody, nobody knows who, did not get in for that reason."""
    verb = PersonalVerb.FAIL_TO_SIGN_IN
    record(actor=visitor_of(request), verb=verb, target="provider", account=None, reason=why)


def note_connect(request: HttpRequest) -> None:
    """Who is signed in goes to the provider to be handed over: no answer to somebody else does that."""
    request.session[_CONNECT_KEY] = str(request.user.pk)


def needs_provider(user: User) -> bool:
    """Whether only the provider lets the user in: who is handed over to it, and all where it is the only door."""
    if is_break_glass(user):
        return False
    return settings.SLIPWAY_OIDC_ONLY or SocialAccount.objects.filter(user_id=user.pk).exists()


def provider_of(request: HttpRequest, user: User) -> str:
    """What the provider is called by which the user signed in just now; "" where it was none."""
    ways = {each.get("method") for each in get_authentication_records(request, user)}
    return settings.SLIPWAY_OIDC_NAME if "socialaccount" in ways else ""


def _provider(request: HttpRequest) -> Actor:
    return replace(visitor_of(request), label=settings.SLIPWAY_OIDC_NAME)


def _claims(sociallogin: Any) -> dict[str, Any]:
    """What the provider said of the person, by either way; what it is asked for after sign-in counts first."""
    said = sociallogin.account.extra_data
    parts = [said.get("id_token"), said.get("userinfo")]
    return {name: value for part in parts if isinstance(part, dict) for name, value in part.items()}


def _fault(details: dict[str, Any]) -> str:
    error = details.get("exception")
    return type(error).__name__ if error else "no such sign-in was begun, or it said no"


def _gets_in(user: User) -> bool:
    """Whether the user has a role somewhere, where one is needed."""
    return user.is_superuser or bool(memberships_of(user)) or not settings.SLIPWAY_OIDC_ROLES


def _gives_something(groups: Collection[str]) -> bool:
    grants = settings.SLIPWAY_OIDC_ROLES
    return not grants or any(roles_of(groups, grants).values()) or makes_superuser(groups, grants) is True
