"""The connections that the reader sees, and one of them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import Account
from accounts.requests import SlipwayRequest, actor_of
from connections.models import Connection
from connections.queries import accounts_that_use, doubted_since, visible_connections
from connections.shown import ShownConnection
from connections.views.access import connections_page, seen_connection


@require_safe
@connections_page
def connections(request: SlipwayRequest) -> HttpResponse:
    """All that the reader sees, in the order in which launches try them."""
    rows = visible_connections(actor_of(request), request.standing.account)
    context = {
        "section": "connections",
        "rows": [ShownConnection(row) for row in rows],
        "writes": actor_of(request).is_superuser,
        "account": request.standing.account,
        "doubted_at": doubted_since(),
    }
    return render(request, "connections/list.html", context)


@require_safe
@connections_page
def connection(request: SlipwayRequest, name: str) -> HttpResponse:
    """One of them: how it stands, what it says, who may use it, and what runs there."""
    return connection_page(request, seen_connection(request, name))


def connection_page(
    request: SlipwayRequest, row: Connection, *, status: int = HTTPStatus.OK, more: dict[str, Any] | None = None
) -> HttpResponse:
    """Its page; what superusers alone see is left out for all others."""
    writes = actor_of(request).is_superuser
    users: list[Account] = accounts_that_use(row) if writes else []
    context = {
        "section": "connections",
        "shown": ShownConnection(row),
        "row": row,
        "writes": writes,
        "users": users,
    }
    return render(request, "connections/page.html", context | (more or {}), status=status)
