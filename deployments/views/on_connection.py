"""Deployments on a connection, and its end. The connections' pages load and link these by name."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of, see_other
from connections.shown import ShownConnection
from connections.views.access import connections_page, own_connection, seen_connection
from deployments.domain.retire_connection import retire_connection
from deployments.pages.standing import DeploymentStanding
from deployments.queries import holding_on
from launches.occupancy import MOST, occupancies, remains_of
from launches.views.on_connection import of_whom
from wire.errors import FailedPrecondition


@require_safe
@connections_page
def connection_deployments(request: SlipwayRequest, name: str) -> HttpResponse:
    """Those that need the connection, for HTMX to put into its page: superusers see all, others their account's."""
    row = seen_connection(request, name)
    found = holding_on(row, of_whom(request))
    shown = found.select_related("account", "owner", "trainer").defer("log_tail", "events")[:MOST]
    context = {
        "section": "connections",
        "row": row,
        "total": found.count(),
        "rows": [(each, DeploymentStanding(each)) for each in shown],
        "own": {membership.account_id for membership in request.standing.memberships},
    }
    template = "deployments/on_connection_rows.html" if request.htmx else "deployments/on_connection.html"
    return render(request, template, context)


@require_http_methods(["GET", "HEAD", "POST"])
@connections_page
def connection_retire(request: SlipwayRequest, name: str) -> HttpResponse:
    """Say what retiring it touches, and ask; on POST retire it."""
    row = own_connection(request, name)
    context = {
        "section": "connections",
        "row": row,
        "shown": ShownConnection(row),
        "occupancy": occupancies([row])[row.name],
        "remains": remains_of(row),
        "deployments": holding_on(row).count(),
    }
    if request.method != "POST":
        return render(request, "deployments/retire_connection.html", context)
    try:
        retire_connection(actor=actor_of(request), connection=row, now=timezone.now())
    except FailedPrecondition as refusal:
        context["refusal"] = refusal.message
        return render(request, "deployments/retire_connection.html", context, status=status_of(refusal))
    messages.success(request, f"{row} is retired: its secret is wiped, and launches keep its name.")
    return see_other(reverse("connections"))
