"""What one button does to a connection: try it, move it in the order, open it again."""

from __future__ import annotations

import time
from http import HTTPStatus

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.requests import SlipwayRequest, actor_of, see_other
from connections.domain.note_answer import note_answer, note_failure
from connections.domain.order_connections import order_connections
from connections.domain.reopen_connection import reopen_connection
from connections.domain.settle_instance import settle_instance
from connections.opened import open_provider
from connections.providers.base import Identity, ProviderError, SecretRefused
from connections.shown import ShownConnection
from connections.views.access import connections_page, own_connection
from connections.views.overview import connection_page


@require_POST
@connections_page
def connection_test(request: SlipwayRequest, name: str) -> HttpResponse:
    """Ask it who we are, now and from this process, with the time-outs of its kind; nothing there is changed."""
    row = own_connection(request, name)
    began = time.monotonic()
    identity: Identity | None = None
    trouble = ""
    try:
        identity = open_provider(row).identify()
        note_answer(connection=row)
    except ProviderError as error:
        trouble = str(error)
        if isinstance(error, SecretRefused):
            note_failure(connection=row, error=error, now=timezone.now())
    found = {"tested": True, "identity": identity, "trouble": trouble, "seconds": time.monotonic() - began}
    row.refresh_from_db()
    if request.htmx:
        standing = {"row": row, "shown": ShownConnection(row), "writes": True, "oob": True}
        return render(request, "connections/tested.html", found | standing)
    return connection_page(request, row, status=HTTPStatus.OK, more=found)


@require_POST
@connections_page
def connection_move(request: SlipwayRequest, name: str) -> HttpResponse:
    """One place up, or, where the form says so, down."""
    up = request.POST.get("to") != "down"
    order_connections(actor=actor_of(request), connection=own_connection(request, name), up=up)
    return see_other(reverse("connections"))


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
