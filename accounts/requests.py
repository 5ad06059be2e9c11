"""The request as our middleware leaves it, for annotations."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus

from allauth.usersessions.models import UserSession
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails

from accounts.actors import VISITOR, Actor, user_actor
from accounts.middleware import AccountContext
from accounts.models import Account, User
from accounts.origins import origin_of
from wire.errors import FailedPrecondition, NotFound, Refusal

NO_ACCOUNT = "You are a member of no account yet. Ask an admin for an invitation."


class SlipwayRequest(HttpRequest):
    """A request with its user, its standing (active account, role), its id and what HTMX said."""

    user: User | AnonymousUser
    standing: AccountContext
    request_id: str
    htmx: HtmxDetails


def actor_of(request: HttpRequest) -> Actor:
    """The actor of a request that is known to be signed in."""
    assert isinstance(request.user, User), "guard the view with login_required"
    return user_actor(request.user, request_id=getattr(request, "request_id", ""), origin=origin_of(request))


def visitor_of(request: HttpRequest) -> Actor:
    """The actor of a request of which nobody knows yet whose it is."""
    return replace(VISITOR, request_id=getattr(request, "request_id", ""), origin=origin_of(request))


def keep_signed_in(request: HttpRequest) -> None:
    """Let the session go on after its user's password changed, which ends all others, under a key that is listed."""
    assert isinstance(request.user, User), "guard the view with login_required"
    before = request.session.session_key
    update_session_auth_hash(request, request.user)
    UserSession.objects.filter(session_key=before).update(session_key=request.session.session_key)


def next_page(request: HttpRequest) -> str:
    """Where the posted form says to go on, if that is a page of this Slipway; else the first page."""
    page = request.POST.get("next", "")
    own = url_has_allowed_host_and_scheme(page, {request.get_host()}, require_https=request.is_secure())
    return page if own else "/"


def see_other(address: str) -> HttpResponse:
    """Go on to that page by GET, after a form was posted: 303, which says so, where 302 only happens to mean it."""
    return HttpResponseRedirect(address, status=HTTPStatus.SEE_OTHER)


def wrong_account(request: SlipwayRequest) -> Refusal | None:
    """Why a posted form cannot be meant for the active account; None where it can.

    The form names the account that it showed: a second tab may have switched since.
    """
    active = request.standing.account
    if active is None:
        return NotFound(NO_ACCOUNT)
    shown = request.POST.get("account", active.account_id)
    if shown == active.account_id:
        return None
    return moved_account(request, active, shown, again=f"send it again for {active.account_id}")


def moved_account(request: SlipwayRequest, active: Account, shown: str, *, again: str) -> Refusal:
    """That a form was opened for another account than the active one; who is no member of it cannot switch back."""
    is_member = any(membership.account.account_id == shown for membership in request.standing.memberships)
    way = f"Switch back, or {again}" if is_member else f"You are no member of that one: {again}"
    return FailedPrecondition(
        f"This form was opened for account {shown[:60]}; you now work in {active.account_id}. {way}."
    )
