"""What one button does to a connection: try it, move it in the order, open it again."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.models import Account
from accounts.requests import SlipwayRequest, actor_of, see_other, wrong_account
from connections.domain.confirm_setting import confirm_setting
from connections.domain.follow_common_order import follow_common_order
from connections.domain.note_answer import note_answer, note_failure
from connections.domain.order_connections import order_connections
from connections.domain.order_for_account import order_for_account
from connections.domain.reopen_connection import reopen_connection
from connections.domain.settle_instance import settle_instance
from connections.kinds import KINDS
from connections.opened import open_provider
from connections.providers.base import Identity
from connections.providers.errors import ProviderError, SecretRefused, Unconfirmed
from connections.queries import lent_connections
from connections.shown import ShownConnection
from connections.views.access import connections_page, own_connection
from connections.views.overview import address_of_order, connection_page
from wire.errors import NotFound, PermissionDenied


@require_POST
@connections_page
def connection_test(request: SlipwayRequest, name: str) -> HttpResponse:
    """Ask it who we are, now and from this process, with the time-outs of its kind; nothing there is changed."""
    row = own_connection(request, name)
    began = time.monotonic()
    identity: Identity | None = None
    trouble = ""
    unconfirmed: Unconfirmed | None = None
    found: dict[str, Any]
    try:
        identity = open_provider(row).identify()
        note_answer(connection=row)
    except ProviderError as error:
        trouble = str(error)
        unconfirmed = error if isinstance(error, Unconfirmed) else None
        if isinstance(error, SecretRefused):
            note_failure(connection=row, error=error, now=timezone.now())
    found = {"tested": True, "identity": identity, "trouble": trouble, "seconds": time.monotonic() - began}
    found["unconfirmed"] = unconfirmed
    row.refresh_from_db()
    if request.htmx:
        standing = {"row": row, "shown": ShownConnection(row), "writes": True, "oob": True}
        return render(request, "connections/tested.html", found | standing)
    return connection_page(request, row, status=HTTPStatus.OK, more=found)


@require_POST
@connections_page
def connection_confirm(request: SlipwayRequest, name: str) -> HttpResponse:
    """Say that what a test showed is right, or answer what the page asks."""
    setting, shown = request.POST.get("setting", ""), request.POST.get("shown", "")
    row = own_connection(request, name)
    row = confirm_setting(actor=actor_of(request), connection=row, setting=setting, shown=shown)
    label = next(field.label for field in KINDS[row.kind].fields if field.name == setting)
    messages.success(request, f"{label} is set. Test tries {row} by it, and Edit changes it.")
    return see_other(reverse("connection", args=[row.name]))


@require_POST
@connections_page
def connection_move(request: SlipwayRequest, name: str) -> HttpResponse:
    """One place up, or, where the form says so, down."""
    up = request.POST.get("to") != "down"
    order_connections(actor=actor_of(request), connection=own_connection(request, name), up=up)
    return see_other(reverse("connections"))


@require_POST
@connections_page
def connection_move_for_account(request: SlipwayRequest, name: str) -> HttpResponse:
    """The same in the order of the active account alone."""

    def move(account: Account) -> None:
        row = lent_connections(actor_of(request), account).filter(name=name).first()
        if row is None:
            raise NotFound(f"{account} may not use a connection {name!r} (any more).")
        up = request.POST.get("to") != "down"
        order_for_account(actor=actor_of(request), account=account, connection=row, up=up)

    return _for_account(request, move)


@require_POST
@connections_page
def connections_common_order(request: SlipwayRequest) -> HttpResponse:
    """The active account tries connections in the common order again."""

    def follow(account: Account) -> None:
        follow_common_order(actor=actor_of(request), account=account)
        messages.success(request, f"Launches of {account} try connections in the common order again.")

    return _for_account(request, follow)


def _for_account(request: SlipwayRequest, act: Callable[[Account], None]) -> HttpResponse:
    """What is done for the account that the form showed, where that is still the active one."""
    account = request.standing.account
    if account is None:
        raise PermissionDenied("Only admins of an account order its connections.")
    if moved := wrong_account(request):
        messages.error(request, moved.message)
    else:
        act(account)
    return see_other(address_of_order(request))


@require_POST
@connections_page
def connection_reopen(request: SlipwayRequest, name: str) -> HttpResponse:
    """It takes launches again."""
    row = reopen_connection(actor=actor_of(request), connection=own_connection(request, name))
    messages.success(request, f"{row} takes launches again.")
    return see_other(reverse("connection", args=[row.name]))


@require_POST
@connections_page
def instance_settle(request: SlipwayRequest) -> HttpResponse:
    """Which of the two this Slipway is: the original, moved, or, where the form says so, a copy."""
    is_copy = request.POST.get("is") == "copy"
    settle_instance(actor=actor_of(request), is_copy=is_copy)
    said = "a copy, with an id of its own" if is_copy else "the original, in a new place"
    messages.success(request, f"This Slipway is {said}.")
    return see_other(reverse("connections"))
