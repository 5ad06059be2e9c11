"""What a connection offers and how the catalog here followed it: the last runs, and looking now."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.requests import SlipwayRequest, actor_of, see_other
from catalog.domain.rename_model import rename_model
from catalog.domain.request_sync import request_sync
from catalog.states import SyncOutcome
from catalog.sync.told import grouped, told_counts
from catalog.sync_queries import asked_for, count_offered, last_runs, offers_catalog, proposed_renames
from connections.models import Connection
from connections.views.access import connections_page, own_connection
from wire.errors import Conflict, FailedPrecondition

RUNS, STEPS = 20, 200


@require_safe
@connections_page
def sync_runs(request: SlipwayRequest, name: str) -> HttpResponse:
    """The runs, and one of them with all that differed: the newest, or the one that the address names."""
    return _page(request, own_connection(request, name), request.GET.get("run", ""))


@require_POST
@connections_page
def sync_now(request: SlipwayRequest, name: str) -> HttpResponse:
    """Ask for a look: to follow, only to plan where the form says so, or to do exactly the plan that it names."""
    row = own_connection(request, name)
    expected = request.POST.get("plan") or None
    plan_only = bool(request.POST.get("look"))
    try:
        request_sync(actor=actor_of(request), connection=row, expected=expected, plan_only=plan_only)
    except FailedPrecondition as refusal:
        return _page(request, row, "", refusal=refusal.message)
    return see_other(reverse("sync_runs", args=[row.name]))


@require_POST
@connections_page
def model_rename(request: SlipwayRequest, name: str) -> HttpResponse:
    """Agree that a base model has another name there now, and look again, which brings its shapes."""
    row = own_connection(request, name)
    former, new = request.POST.get("from", ""), request.POST.get("to", "")
    try:
        model = rename_model(actor=actor_of(request), connection=row, former=former, name=new)
        request_sync(actor=actor_of(request), connection=row)
    except (Conflict, FailedPrecondition) as refusal:
        return _page(request, row, "", refusal=refusal.message)
    messages.success(request, f"{former} is called {model.name} from now on; the old name goes on resolving.")
    return see_other(reverse("sync_runs", args=[row.name]))


def _page(request: SlipwayRequest, row: Connection, wanted: str, *, refusal: str = "") -> HttpResponse:
    runs = last_runs(row, RUNS)
    asked = asked_for(row)
    shown = next((run for run in runs if str(run.pk) == wanted), runs[0] if runs else None)
    provider = offers_catalog(row)
    offered, gone = count_offered(row)
    context: dict[str, Any] = {
        "section": "connections",
        "row": row,
        "provider": provider,
        "minutes": settings.SLIPWAY_SYNC_MINUTES,
        "offered": offered,
        "gone": gone,
        "runs": [(run, told_counts(run.outcome, run.counts)) for run in runs],
        "run": shown,
        "words": told_counts(shown.outcome, shown.counts) if shown else "",
        "asked": asked,
        "wanted": shown.pk if shown and str(shown.pk) == wanted else "",
        "may_apply": asked is None and shown is not None and shown == runs[0] and shown.outcome == SyncOutcome.PLANNED,
        "renames": proposed_renames(row) if asked is None and shown and shown == runs[0] else [],
        "groups": grouped(shown.outcome, shown.differences[:STEPS]) if shown else [],
        "more": max(0, len(shown.differences) - STEPS) if shown else 0,
        "refusal": refusal,
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if refusal else HTTPStatus.OK
    return render(request, "catalog/syncs.html", context, status=status)
