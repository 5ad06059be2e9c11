"""The active account's members and open invitations; inviting, changing a role, removing."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actors import manages, require_manager
from accounts.domain.add_member import add_member
from accounts.domain.create_invitation import create_invitation
from accounts.domain.mail_invitation import mail_invitation
from accounts.domain.remove_member import remove_member
from accounts.domain.revoke_invitation import revoke_invitation
from accounts.forms import InviteForm, RoleForm
from accounts.list_filters import MEMBERS
from accounts.models import Account
from accounts.queries import (
    MOST_INVITATIONS,
    count_live_keys,
    find_invitation,
    find_member,
    list_members,
    open_invitations,
)
from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of, wrong_account
from accounts.roles import Role
from lists.pages import Page, show
from queues.bulkheads import step_aside
from wire.errors import InvalidArgument, Refusal, Violation


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def members(request: SlipwayRequest) -> HttpResponse:
    """Show who there is; on POST invite somebody and show the link, this once."""
    account = request.standing.account
    if request.method != "POST":
        return _page(request)
    form = InviteForm(request.POST)
    try:
        if refusal := wrong_account(request):
            raise refusal
        assert account is not None, "wrong_account() refuses who has none"
        require_manager(actor_of(request), account)
        if not form.is_valid():
            return _page(request, form=form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
        return _invite(request, account, form)
    except InvalidArgument as refusal:
        form.refuse(refusal)
        return _page(request, form=form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    except Refusal as refusal:
        return _page(request, form=form, refusal=refusal)


@require_POST
@login_required
@never_cache
def member_role(request: SlipwayRequest, number: int) -> HttpResponse:
    """Give a member another role."""

    def change() -> str:
        member = find_member(request.standing.account, number)
        form = RoleForm(request.POST)
        require_manager(actor_of(request), member.account)
        if not form.is_valid():
            raise InvalidArgument([Violation("role", f"Choose one of {', '.join(Role)}.")])
        add_member(actor=actor_of(request), account=member.account, user=member.user, role=form.chosen())
        return f"{member.user} is {form.chosen()} of {member.account} now."

    return _act(request, change)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def member_remove(request: SlipwayRequest, number: int) -> HttpResponse:
    """Say what removing the member touches, and ask; on POST remove them."""

    def ask() -> dict[str, Any]:
        member = find_member(request.standing.account, number)
        require_manager(actor_of(request), member.account)
        return {"member": member, "keys": count_live_keys(member.account, member.user)}

    def remove() -> str:
        member = find_member(request.standing.account, number)
        remove_member(actor=actor_of(request), account=member.account, user=member.user, now=timezone.now())
        return f"{member.user} is no member of {member.account} any more."

    return _act(request, remove) if request.method == "POST" else _ask(request, "accounts/member_remove.html", ask)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def invitation_revoke(request: SlipwayRequest, number: int) -> HttpResponse:
    """Ask whether to take the invitation back; on POST do."""

    def ask() -> dict[str, Any]:
        invitation = find_invitation(request.standing.account, number)
        require_manager(actor_of(request), invitation.account)
        return {"invitation": invitation}

    def revoke() -> str:
        invitation = find_invitation(request.standing.account, number)
        revoke_invitation(actor=actor_of(request), invitation=invitation, now=timezone.now())
        return "The invitation was taken back: its link lets nobody in."

    return _act(request, revoke) if request.method == "POST" else _ask(request, "accounts/invitation_revoke.html", ask)


def _invite(request: SlipwayRequest, account: Account, form: InviteForm) -> HttpResponse:
    invitation, token = create_invitation(
        actor=actor_of(request),
        account=account,
        role=form.chosen(),
        now=timezone.now(),
        username=form.cleaned_data["username"],
        email=form.cleaned_data["email"],
    )
    link = settings.SLIPWAY_URL + reverse("invitation", args=[token])
    step_aside()  # a mail server may take its time, and others want a place and a connection meanwhile
    return _page(request, more={"invited": invitation, "link": link, "mailed": mail_invitation(invitation, link)})


def _act(request: SlipwayRequest, act: Callable[[], str]) -> HttpResponse:
    """Do it and go to the list, which says so; where it is refused, the list with the reason."""
    try:
        done = act()
    except Refusal as refusal:
        return _page(request, refusal=refusal)
    messages.success(request, done)
    return HttpResponseRedirect(reverse("members"))


def _ask(request: SlipwayRequest, template: str, ask: Callable[[], dict[str, Any]]) -> HttpResponse:
    try:
        context = ask()
    except Refusal as refusal:
        return _page(request, refusal=refusal)
    return render(request, template, context)


def _page(
    request: SlipwayRequest,
    *,
    form: InviteForm | None = None,
    refusal: Refusal | None = None,
    status: int = HTTPStatus.OK,
    more: dict[str, Any] | None = None,
) -> HttpResponse:
    account = request.standing.account
    asked, here = MEMBERS.read(request.GET), reverse("members")
    wanted, order = asked.condition(account), asked.order
    page = show(asked.cursor, lambda cursor: list_members(account, wanted, order, cursor) if account else Page((), ""))
    invitations = open_invitations(account, timezone.now()) if account else []
    context = {
        "account": account,
        "manages": account is not None and manages(actor_of(request), account),
        "rows": page.rows,
        "roles": list(Role),
        "invitations": invitations,
        "most_invitations": MOST_INVITATIONS if len(invitations) == MOST_INVITATIONS else 0,
        "form": form or InviteForm(initial={"role": Role.LAUNCHER}),
        "refusal": refusal.message if refusal else "",
        "asked": asked,
        "controls": asked.controls(),
        **page.links(lambda cursor: here + asked.page_address(cursor)),
    }
    template = "accounts/member_rows.html" if request.htmx else "accounts/members.html"
    return render(request, template, context | (more or {}), status=status_of(refusal) if refusal else status)
