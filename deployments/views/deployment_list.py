"""Lists of deployments: the account's, and what others' pages load of them by name."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.requests import SlipwayRequest
from catalog.models import TrainingShape
from deployments.filters import DEPLOYMENTS, ORPHANS
from deployments.models import Deployment
from deployments.pages.standing import DeploymentStanding
from deployments.queries import (
    LIVING,
    ORPHANED,
    DeploymentRow,
    deployed_shapes,
    list_deployments,
    used_connections,
)
from deployments.states import DeploymentState
from deployments.unknown_samplers import count_unknown_samplers
from launches.views.unknown_trainers import reader
from lists.orders import count_up_to
from lists.pages import show

COUNTED = 10_000
"""Of more deployments than these a list says that they are more."""


@require_safe
@login_required
@never_cache
def deployments(request: SlipwayRequest) -> HttpResponse:
    """The active account's deployments, as `DEPLOYMENTS` declares; `before` is the cursor of a page."""
    account = request.standing.account
    accounts = [account.pk] if account else []
    asked = DEPLOYMENTS.read(request.GET)
    context: dict[str, Any] = {
        "section": "deployments",
        "account": account,
        "asked": asked,
        "unknown": count_unknown_samplers(reader(request)),
        "controls": asked.controls(
            shape=[(name, name) for name in map(_named, deployed_shapes(account) if account else [])],
            connection=[(each.name, str(each)) for each in (used_connections(account) if account else [])],
        ),
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if asked.problems else HTTPStatus.OK
    if not asked.problems:
        wanted = asked.condition(request.user)
        if asked.values.get("state") != DeploymentState.DELETED:
            wanted &= LIVING
        page = show(asked.cursor, partial(list_deployments, accounts, wanted, asked.order))
        total = count_up_to(Deployment.objects.filter(wanted, account__in=accounts), COUNTED)
        context |= {
            "rows": [shown(row) for row in page.rows],
            "total": f"{total:,}" if total <= COUNTED else f"more than {COUNTED:,}",
            "one": total == 1,
            **page.links(asked.page_address),
        }
    template = "deployments/rows.html" if request.htmx else "deployments/list.html"
    return render(request, template, context, status=status)


@require_safe
@login_required
@never_cache
def orphans(request: SlipwayRequest) -> HttpResponse:
    """Those of the active account whose trainer is gone, for the pages that ask what costs and nobody looks at."""
    accounts = [request.standing.account.pk] if request.standing.account else []
    page = list_deployments(accounts, ORPHANED)
    context = {"rows": [shown(row) for row in page.rows], "more": page.next, "orphans": ORPHANS}
    return render(request, "deployments/orphans.html", context)


def shown(row: DeploymentRow) -> dict[str, Any]:
    """A row as the tables show it."""
    return {**row._asdict(), "standing": DeploymentStanding(row.deployment)}


def _named(shape: TrainingShape) -> str:
    return f"{shape.account.account_id}/{shape.shape_id}"
