"""The connections that the reader sees, and one of them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.models import Account
from accounts.requests import SlipwayRequest, actor_of
from accounts.roles import Right, allows
from connections.models import Connection
from connections.queries import accounts_that_use, doubted_since, has_own_order, lent_connections, visible_connections
from connections.shown import ShownConnection
from connections.views.access import connections_page, seen_connection

OF_ACCOUNT = "account"


@require_safe
@connections_page
def connections(request: SlipwayRequest) -> HttpResponse:
    """All that the reader sees, in the order in which launches try them; of superusers where asked the account's."""
    actor, account = actor_of(request), request.standing.account
    of_account = account is not None and (not actor.is_superuser or request.GET.get("of") == OF_ACCOUNT)
    rows = lent_connections(actor, account) if of_account and account else visible_connections(actor, account)
    context = {
        "section": "connections",
        "rows": [ShownConnection(row) for row in rows],
        "writes": actor.is_superuser and not of_account,
        "orders": of_account,
        "own_order": of_account and account is not None and has_own_order(account),
        "has_account": actor.is_superuser and allows(request.standing.role, Right.ORDER_CONNECTIONS),
        "account": account,
        "doubted_at": doubted_since(),
    }
    return render(request, "connections/list.html", context)


def address_of_order(request: SlipwayRequest) -> str:
    """The list in the order of the active account."""
    of_account = f"?of={OF_ACCOUNT}" if actor_of(request).is_superuser else ""
    return reverse("connections") + of_account


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
