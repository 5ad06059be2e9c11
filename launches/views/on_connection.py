"""What runs on a connection, and what is done about it. The connections' pages load and link these by name."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import Account
from accounts.requests import SlipwayRequest, actor_of, see_other
from connections.queries import visible_connections
from connections.views.access import connections_page, own_connection, seen_connection
from launches.domain.cancel_waiting import cancel_waiting
from launches.occupancy import MOST, occupancies, unfinished_on


@require_safe
@connections_page
def connections_running(request: SlipwayRequest) -> HttpResponse:
    """How much runs on each of the connections that the reader sees, for HTMX to put into their list."""
    seen = list(visible_connections(actor_of(request), request.standing.account))
    return render(request, "launches/connections_running.html", {"rows": occupancies(seen, of_whom(request))})


@require_safe
@connections_page
def connection_launches(request: SlipwayRequest, name: str) -> HttpResponse:
    """The launches there that are not over, the oldest first: superusers see all, others those of their account."""
    row = seen_connection(request, name)
    account = of_whom(request)
    attempts = unfinished_on(row, account).select_related("launch__account", "launch__owner")
    context = {
        "section": "connections",
        "row": row,
        "occupancy": occupancies([row], account)[row.name],
        "attempts": list(attempts.defer("log_tail", "launch__spec", "launch__inputs")[:MOST]),
        "most": MOST,
        "account": account,
        "own": {membership.account_id for membership in request.standing.memberships},
    }
    template = "launches/on_connection_rows.html" if request.htmx else "launches/on_connection.html"
    return render(request, template, context)


@require_http_methods(["GET", "HEAD", "POST"])
@connections_page
def connection_cancel_waiting(request: SlipwayRequest, name: str) -> HttpResponse:
    """Ask whether to cancel what waits there; on POST do."""
    row = own_connection(request, name)
    if request.method == "POST":
        number = cancel_waiting(actor=actor_of(request), connection=row)
        messages.success(request, f"Cancelled on {row}, before they began: {number:,}.")
        return see_other(reverse("connection", args=[row.name]))
    occupancy = occupancies([row])[row.name]
    context = {"section": "connections", "row": row, "occupancy": occupancy}
    return render(request, "launches/cancel_waiting.html", context)


def of_whom(request: SlipwayRequest) -> Account | None:
    """Whose launches the reader sees: None for everybody's."""
    return None if actor_of(request).is_superuser else request.standing.account
