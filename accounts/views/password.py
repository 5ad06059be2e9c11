"""Change one's own password."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts.digests import digest_of_address
from accounts.domain.begin_sign_in import begin_sign_in
from accounts.domain.change_password import change_password
from accounts.domain.end_sign_in import fail_sign_in, pass_sign_in
from accounts.domain.see_address import see_address
from accounts.forms import PasswordForm
from accounts.models import User
from accounts.queries import count_keys_of
from accounts.requests import SlipwayRequest, actor_of, keep_signed_in
from wire.counts import quantity
from wire.errors import InvalidArgument, TooMany


@sensitive_post_parameters("oldpassword", "password1", "password2")
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def password(request: SlipwayRequest) -> HttpResponse:
    """The form; on POST change it, and end every other session. A wrong old one counts as a failed sign-in does."""
    assert isinstance(request.user, User), "login_required lets nobody else in"
    if not request.user.has_usable_password():
        return _page(request, None, HTTPStatus.UNPROCESSABLE_ENTITY if request.method == "POST" else HTTPStatus.OK)
    form = PasswordForm(request.POST or None, keys=count_keys_of(request.user, timezone.now()))
    try:
        if form.is_valid() and _is_theirs(request, request.user, form):
            return _change(request, request.user, form)
    except TooMany as refusal:
        form.add_error(None, refusal.message)
        response = _page(request, form, HTTPStatus.TOO_MANY_REQUESTS)
        response["Retry-After"] = str(refusal.retry_after)
        return response
    except InvalidArgument as refusal:
        form.refuse(refusal)
    return _page(request, form, HTTPStatus.UNPROCESSABLE_ENTITY if request.method == "POST" else HTTPStatus.OK)


def _is_theirs(request: SlipwayRequest, user: User, form: PasswordForm) -> bool:
    """Whether the old password is right. Errors: `TooMany`."""
    actor, now = actor_of(request), timezone.now()
    attempt = begin_sign_in(typed=user.get_username(), address=actor.origin.address, now=now)
    if user.check_password(form.cleaned_data["oldpassword"]):
        pass_sign_in(attempt=attempt, now=now)
        return True
    fail_sign_in(actor=actor, attempt=attempt, reason="the old password, to change it")
    form.add_error("oldpassword", "This is not your password.")
    return False


def _change(request: SlipwayRequest, user: User, form: PasswordForm) -> HttpResponse:
    actor, now = actor_of(request), timezone.now()
    chosen, revoke_keys = form.cleaned_data["password1"], form.cleaned_data.get("revoke_keys", False)
    revoked = change_password(actor=actor, user=user, password=chosen, revoke_keys=revoke_keys, now=now)
    keep_signed_in(request)
    see_address(digest=digest_of_address(actor.origin.address), now=now, user=user)
    keys = f" {quantity(revoked, 'API key')} revoked." if revoked else ""
    messages.success(request, f"Your password was changed; you are signed out everywhere else.{keys}")
    return redirect("account_change_password")


def _page(request: SlipwayRequest, form: PasswordForm | None, status: HTTPStatus) -> HttpResponse:
    return render(request, "account/password_change.html", {"form": form}, status=status)
