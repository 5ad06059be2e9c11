"""A deployment's page, and the panel that the live page refetches."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.dateparse import parse_datetime
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.actors import require, right_to_control
from accounts.requests import SlipwayRequest, actor_of
from catalog.fields.facts import shape_facts
from catalog.usage import environment
from catalog.views.access import member_of
from connections.opened import tells_logs
from deployments.models import Deployment
from deployments.pages.code import sampling_code
from deployments.pages.scale_form import scale_fields
from deployments.pages.standing import NEXT, DeploymentStanding
from deployments.pages.weights import loadable
from deployments.queries import find_deployment, orphaned_at
from deployments.states import DeploymentState
from wire.errors import Refusal, Violation


@require_safe
@login_required
@never_cache
def deployment(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """The page of a deployment."""
    return deployment_page(request, look_at(request, uid))


def deployment_page(
    request: SlipwayRequest,
    row: Deployment,
    *,
    status: int = HTTPStatus.OK,
    refusal: str = "",
    typed: Mapping[str, str] | None = None,
    violations: tuple[Violation, ...] = (),
) -> HttpResponse:
    """The page, with a refusal on top where a verb has just refused, and with what was typed."""
    context = _context(request, row, typed, violations) | {"refusal": refusal}
    return render(request, "deployments/page.html", context, status=status)


@require_safe
@login_required
@never_cache
def deployment_panel(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """Everything of the page that changes; not the log where `?log=` says that the page has it."""
    return render(request, "deployments/panel.html", _context(request, look_at(request, uid)))


def look_at(request: SlipwayRequest, uid: uuid.UUID) -> Deployment:
    """What the URL names. Errors: `Http404` for what is not there or belongs to somebody else's account."""
    found = find_deployment(member_of(request), uid)
    if found is None:
        raise Http404("There is no such deployment.")
    return found


def _context(
    request: SlipwayRequest,
    row: Deployment,
    typed: Mapping[str, str] | None = None,
    violations: tuple[Violation, ...] = (),
) -> dict[str, Any]:
    over = row.state in (DeploymentState.DELETING, DeploymentState.DELETED)
    refusal = _control_refusal(request, row)
    return {
        "section": "deployments",
        "deployment": row,
        "standing": DeploymentStanding(row),
        "next": NEXT if row.state == DeploymentState.FAILED else "",
        "orphaned_at": orphaned_at(row),
        "over": over,
        "spec": row.sampler_spec,
        "facts": shape_facts(row.shape_version.frozen_snapshot),
        "events": [{**line, "at": parse_datetime(line["at"])} for line in reversed(row.events)],
        "environment": environment(settings.SLIPWAY_URL),
        "code": () if over else sampling_code(row.name),
        "control_refusal": "" if over else refusal,
        "may_control": not over and not refusal,
        "weights": [] if over or refusal else loadable(row),
        "fields": scale_fields(row, typed or {}, violations),
        **_log(request, row),
    }


def _control_refusal(request: SlipwayRequest, row: Deployment) -> str:
    """Why the reader may not act on it; "" where they may."""
    actor = actor_of(request)
    try:
        require(actor, row.account, right_to_control(actor, row))
    except Refusal as refusal:
        return refusal.message
    return ""


def _log(request: SlipwayRequest, row: Deployment) -> dict[str, Any]:
    mark = f"{row.start}.{row.log_offset}"
    if request.GET.get("log") == mark:
        return {"log_mark": mark, "log_kept": True}
    return {"log_mark": mark, "log": row.log_tail, "has_log": bool(row.log_tail) or tells_logs(row.connection)}
