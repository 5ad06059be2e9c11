"""Scale a deployment, let it load weights, delete it: each one verb, then back to where it is seen."""

from __future__ import annotations

import uuid
from http import HTTPStatus

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actors import require, right_to_control
from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of, see_other
from deployments.asking import Question, ask, time_limit
from deployments.domain.delete_deployment import delete_deployment
from deployments.domain.note_load import record_load
from deployments.domain.update_deployment import update_deployment
from deployments.gateway import HOT_LOADED, admit_to_load
from deployments.models import Deployment
from deployments.pages.scale_form import LABELS, read_replicas
from deployments.pages.standing import DeploymentStanding
from deployments.pages.weights import loadable
from deployments.queries import orphaned_at
from deployments.views.access import deployments_page
from deployments.views.deployment_page import deployment_page, look_at
from launches.gateway.admission import Refused
from wire.errors import InvalidArgument, Refusal


@require_POST
@deployments_page
def deployment_scale(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """Other bounds of its replicas; one that failed is tried again."""
    row, typed = controlled(request, uid), {name: request.POST.get(name, "") for name in LABELS}
    try:
        least, most = read_replicas(typed)
        update_deployment(actor=actor_of(request), deployment=row, min_replicas=least, max_replicas=most)
    except InvalidArgument as refusal:
        return deployment_page(request, row, status=status_of(refusal), typed=typed, violations=refusal.violations)
    except Refusal as refusal:
        return deployment_page(request, row, status=status_of(refusal), typed=typed, refusal=refusal.message)
    return see_other(_address(row))


@require_POST
@deployments_page
def deployment_load(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """Have its sampler load weights of its trainer, as a hot load of the SDK does."""
    row, actor, wanted = controlled(request, uid), actor_of(request), request.POST.get("checkpoint", "")
    if wanted not in {each.name for each in loadable(row)}:
        told = f"{wanted[:63]!r} cannot be loaded now. Choose what its trainer saved for sampling, while it answers."
        return deployment_page(request, row, status=HTTPStatus.UNPROCESSABLE_ENTITY, refusal=told)
    try:
        question = Question(row, admit_to_load(row, actor), HOT_LOADED, {"identity": wanted})
    except Refused as refusal:
        return deployment_page(request, row, status=HTTPStatus.UNPROCESSABLE_ENTITY, refusal=refusal.message)
    answer = ask([question], actor=actor, until=time_limit())[0]
    if answer.refusal:
        return deployment_page(request, row, status=HTTPStatus.UNPROCESSABLE_ENTITY, refusal=answer.refusal)
    if answer.body.get("status") == "loaded":
        record_load(actor=actor, deployment=row, identity=wanted, seconds=answer.seconds)
        messages.success(request, f"{wanted} serves now.")
    else:
        messages.info(request, f"{wanted} is being loaded. This page shows it once it serves.")
    return see_other(_address(row))


@require_http_methods(["GET", "HEAD", "POST"])
@deployments_page
def deployment_delete(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """Say what it touches, and ask; on POST delete it."""
    row = controlled(request, uid)
    if request.method == "POST":
        delete_deployment(actor=actor_of(request), deployment=row)
        messages.success(request, f"{row} is being deleted. Its id is free once its sampler has ended.")
        return see_other(_address(row))
    context = {
        "section": "deployments",
        "deployment": row,
        "standing": DeploymentStanding(row),
        "orphaned_at": orphaned_at(row),
    }
    return render(request, "deployments/delete.html", context)


def controlled(request: SlipwayRequest, uid: uuid.UUID) -> Deployment:
    """What the URL names, for who may act on it. Errors: `Http404`, `PermissionDenied`."""
    row, actor = look_at(request, uid), actor_of(request)
    require(actor, row.account, right_to_control(actor, row))
    return row


def _address(row: Deployment) -> str:
    return reverse("deployment", args=[row.uid])
