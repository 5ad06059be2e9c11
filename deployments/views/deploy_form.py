"""The form of a deployment shape, its preview, and the post that makes a deployment."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actors import require
from accounts.refusals import status_of
from accounts.requests import NO_ACCOUNT, SlipwayRequest, actor_of, see_other, wrong_account
from accounts.roles import Right
from catalog.fields.facts import shape_facts
from catalog.models import ShapeVersion
from catalog.version_queries import find_version
from catalog.views.access import member_of
from deployments.domain.create_deployment import create_deployment
from deployments.models import Deployment
from deployments.pages.deploy_form import (
    DESCRIPTION,
    ID,
    NAMES,
    SERVES,
    TRAINER,
    default_values,
    preview_deployment,
    trainers_for,
)
from deployments.pages.scale_form import read_replicas
from wire.errors import AlreadyExists, InvalidArgument, Refusal, Violation

KEY_LENGTH = 64


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def deployment_new(request: SlipwayRequest, account_id: str, shape_id: str) -> HttpResponse:
    """Show the form, filled in as its address says; or accept the deployment and go to its page."""
    data = request.POST if request.method == "POST" else request.GET
    version = _shown_version(request, account_id, shape_id, data)
    if request.method == "POST":
        return _create(request, version)
    key = uuid.uuid4().hex
    asked = {name: data[name] for name in NAMES if name in data}
    return _form(request, version, default_values(version, key) | asked, key)


@require_POST
@login_required
@never_cache
def deployment_preview(request: SlipwayRequest, account_id: str, shape_id: str) -> HttpResponse:
    """What the form says as it stands now: GPUs in all, where it would run, and what is wrong with which field."""
    version = _shown_version(request, account_id, shape_id, request.POST)
    values, key = _typed(request, version)
    return render(request, "deployments/preview.html", _context(request, version, values, key))


def _create(request: SlipwayRequest, version: ShapeVersion) -> HttpResponse:
    values, key = _typed(request, version)
    account = request.standing.account
    if account is None:
        return _form(request, version, values, key, status=HTTPStatus.FORBIDDEN)
    if refusal := wrong_account(request):
        return _form(request, version, values, key, status=HTTPStatus.CONFLICT, refusal=refusal)
    try:
        require(actor_of(request), account, Right.LAUNCH)
        preview = preview_deployment(version, account, values)
        if preview.violations:
            raise InvalidArgument(preview.violations)
        least, most = read_replicas(values)
        trainers = {each.job_id: each for each in trainers_for(version, account, values[TRAINER])}
        row = create_deployment(
            actor=actor_of(request),
            account=account,
            deployment_id=values[ID],
            version=version,
            base_model=values[SERVES],
            min_replicas=least,
            max_replicas=most,
            trainer=trainers.get(values[TRAINER]),
            connection=preview.wanted,
            said={DESCRIPTION: values[DESCRIPTION]} if values[DESCRIPTION] else {},
            form_key=key,
        )
    except InvalidArgument as refusal:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return _form(request, version, values, key, status=status, extra=refusal.violations)
    except Refusal as refusal:
        made = Deployment.objects.filter(owner=request.user.pk, account=account, form_key=key, deployment_id=values[ID])
        if key and isinstance(refusal, AlreadyExists) and (before := made.first()):
            return see_other(reverse("deployment", args=[before.uid]))
        return _form(request, version, values, key, status=status_of(refusal), refusal=refusal)
    return see_other(reverse("deployment", args=[row.uid]))


def _form(
    request: SlipwayRequest,
    version: ShapeVersion,
    values: Mapping[str, str],
    key: str,
    *,
    status: int = HTTPStatus.OK,
    refusal: Refusal | None = None,
    extra: tuple[Violation, ...] = (),
) -> HttpResponse:
    context = _context(request, version, values, key, extra)
    context |= {"bound": request.method == "POST", "refusal": refusal.message if refusal else ""}
    return render(request, "deployments/form.html", context, status=status)


def _context(
    request: SlipwayRequest,
    version: ShapeVersion,
    values: Mapping[str, str],
    key: str,
    extra: tuple[Violation, ...] = (),
) -> dict[str, Any]:
    preview = preview_deployment(version, request.standing.account, values, extra)
    labels = {field.name: field.label for field in preview.fields}
    locked = _locked(request, version)
    return {
        "section": "catalog",
        "version": version,
        "shape": version.shape,
        "facts": shape_facts(version.frozen_snapshot),
        "key": key,
        "preview": preview,
        "summary": [(labels.get(found.field), found) for found in preview.violations],
        "locked": locked,
        "blocked": not locked and not preview.violations and preview.place is None,
    }


def _typed(request: SlipwayRequest, version: ShapeVersion) -> tuple[dict[str, str], str]:
    key = request.POST.get("form_key", "")[:KEY_LENGTH].replace("\0", "")
    return {name: request.POST.get(name, "").strip() for name in default_values(version, key)}, key


def _shown_version(request: SlipwayRequest, account_id: str, shape_id: str, data: QueryDict) -> ShapeVersion:
    """The version that the form is of; the latest one where none is named. Errors: `Http404`."""
    version = find_version(member_of(request), account_id, shape_id, data.get("version", ""))
    if version is None or version.trainer_mode is not None:
        raise Http404("There is no such shape that serves.")
    return version


def _locked(request: SlipwayRequest, version: ShapeVersion) -> str:
    """Why this reader may not deploy from this version; "" where they may."""
    if request.standing.account is None:
        return NO_ACCOUNT
    try:
        require(actor_of(request), request.standing.account, Right.LAUNCH)
    except Refusal as refusal:
        return refusal.message
    return "" if version.is_offered else f"{version.name} is not validated, or was withdrawn. Use another version."
