"""The page behind an invitation link."""

from __future__ import annotations

from http import HTTPStatus

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.adapter import note_sign_in
from accounts.domain.accept_invitation import NewUser, accept_invitation, open_invitation
from accounts.forms import JoinForm
from accounts.middleware import SESSION_KEY
from accounts.models import Invitation, User
from accounts.requests import SlipwayRequest, visitor_of
from wire.errors import FailedPrecondition, InvalidArgument, NotFound


@never_cache
@sensitive_post_parameters("password", "repeated")
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: SlipwayRequest, token: str) -> HttpResponse:
    """Show the invitation; on POST join, as a new user or as the one who is signed in. Looking uses nothing up."""
    try:
        found = open_invitation(token=token, now=timezone.now())
        if isinstance(request.user, User):
            return _as_member(request, found, token, request.user)
        return _as_newcomer(request, found, token)
    except NotFound as refusal:
        return _over(request, refusal.message, HTTPStatus.NOT_FOUND)
    except FailedPrecondition as refusal:
        return _over(request, refusal.message, HTTPStatus.GONE)


def _as_member(request: SlipwayRequest, found: Invitation, token: str, user: User) -> HttpResponse:
    if request.method == "POST":
        return _join(request, found, token, user)
    return render(request, "accounts/invitation.html", {"invitation": found})


def _as_newcomer(request: SlipwayRequest, found: Invitation, token: str) -> HttpResponse:
    if settings.SLIPWAY_OIDC_ONLY:  # first by the provider, then as the user whom it makes
        status = HTTPStatus.UNPROCESSABLE_ENTITY if request.method == "POST" else HTTPStatus.OK
        return render(request, "accounts/invitation.html", {"invitation": found}, status=status)
    form = JoinForm(request.POST or None, initial={"username": found.username})
    if form.is_valid():
        try:
            return _join(request, found, token, form.new_user())
        except InvalidArgument as refusal:
            form.refuse(refusal)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if request.method == "POST" else HTTPStatus.OK
    return render(request, "accounts/invitation.html", {"invitation": found, "form": form}, status=status)


def _join(request: SlipwayRequest, found: Invitation, token: str, person: User | NewUser) -> HttpResponse:
    user = accept_invitation(token=token, person=person, now=timezone.now(), visitor=visitor_of(request))
    if isinstance(person, NewUser):
        login(request, user)
        note_sign_in(request, user)
        UserSession.objects.create_from_request(request)
    request.session[SESSION_KEY] = found.account.account_id
    messages.success(request, f"Welcome to {found.account}, {user}.")
    return redirect(settings.LOGIN_REDIRECT_URL)


def _over(request: SlipwayRequest, reason: str, status: HTTPStatus) -> HttpResponse:
    return render(request, "accounts/invitation_over.html", {"reason": reason}, status=status)
