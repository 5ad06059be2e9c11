"""API keys of the active account: one's own, and everybody's for who manages its members."""

from __future__ import annotations

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
from django.views.decorators.http import require_http_methods

from accounts.actors import manages
from accounts.domain.create_api_key import create_api_key
from accounts.domain.revoke_api_key import revoke_api_key
from accounts.forms import KeyForm
from accounts.list_filters import KEYS
from accounts.models import Account, ApiKey, User
from accounts.queries import find_key, list_keys
from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of, wrong_account
from accounts.scopes import Scope
from lists.pages import Page, show
from wire.errors import InvalidArgument, Refusal


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def keys(request: SlipwayRequest) -> HttpResponse:
    """Show the keys; on POST make one and show its secret, this once."""
    if request.method != "POST":
        return _page(request)
    form = KeyForm(request.POST)
    try:
        if refusal := wrong_account(request):
            raise refusal
        assert request.standing.account is not None, "wrong_account() refuses who has none"
        if not form.is_valid():
            return _page(request, form=form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
        return _create(request, request.standing.account, form)
    except InvalidArgument as refusal:
        form.refuse(refusal)
        return _page(request, form=form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    except Refusal as refusal:
        return _page(request, form=form, refusal=refusal)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def key_revoke(request: SlipwayRequest, number: int) -> HttpResponse:
    """Ask whether to revoke the key; on POST do."""
    try:
        key = _visible_key(request, number)
        if request.method != "POST":
            return render(request, "accounts/key_revoke.html", {"key": key})
        revoke_api_key(actor=actor_of(request), key=key, now=timezone.now())
    except Refusal as refusal:
        return _page(request, refusal=refusal)
    messages.success(request, f"The key {key.name} of {key.user} was revoked: it opens nothing any more.")
    return HttpResponseRedirect(reverse("keys"))


def _create(request: SlipwayRequest, account: Account, form: KeyForm) -> HttpResponse:
    assert isinstance(request.user, User), "login_required lets nobody else in"
    key, secret = create_api_key(
        actor=actor_of(request),
        account=account,
        user=request.user,
        name=form.cleaned_data["name"],
        scope=Scope(form.cleaned_data["scope"]),
        now=timezone.now(),
        days=form.lifetime(),
    )
    use = f'curl -H "X-Api-Key: $SLIPWAY_API_KEY" {settings.SLIPWAY_URL}/v1/{account.name}'
    return _page(request, more={"made": key, "secret": secret, "use": use})


def _visible_key(request: SlipwayRequest, number: int) -> ApiKey:
    account = request.standing.account
    return find_key(account, _whose(request, account), number)


def _whose(request: SlipwayRequest, account: Account | None) -> User | None:
    """Whose keys the reader sees: their own, or (None) everybody's."""
    assert isinstance(request.user, User), "login_required lets nobody else in"
    return None if account is not None and manages(actor_of(request), account) else request.user


def _page(
    request: SlipwayRequest,
    *,
    form: KeyForm | None = None,
    refusal: Refusal | None = None,
    status: int = HTTPStatus.OK,
    more: dict[str, Any] | None = None,
) -> HttpResponse:
    account = request.standing.account
    whose = _whose(request, account)
    asked, here, now = KEYS.read(request.GET), reverse("keys"), timezone.now()
    wanted, order = asked.condition(now), asked.order
    page = show(
        asked.cursor, lambda cursor: list_keys(account, whose, wanted, order, cursor) if account else Page((), "")
    )
    context = {
        "account": account,
        "everybodys": whose is None,
        "rows": page.rows,
        "now": now,
        "form": (form or KeyForm()).for_role(request.standing.role),
        "refusal": refusal.message if refusal else "",
        "asked": asked,
        "controls": asked.controls(),
        **page.links(lambda cursor: here + asked.page_address(cursor)),
    }
    template = "accounts/key_rows.html" if request.htmx else "accounts/keys.html"
    return render(request, template, context | (more or {}), status=status_of(refusal) if refusal else status)
