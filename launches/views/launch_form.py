"""The launch form of a shape, its preview, and the post that launches."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.actors import require
from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of, moved_account, see_other
from accounts.roles import Right
from catalog.fields.differences import FieldDifference, differences
from catalog.models import ShapeVersion
from catalog.version_queries import find_launched, find_version, successor_of
from catalog.views.access import member_of
from launches.domain.create_launch import check_launchable
from launches.models import Launch
from launches.pages.carried import LABELS, homeless, read_carried
from launches.pages.forms import read_inputs
from launches.pages.preview import LaunchPreview, preview_launch
from launches.queries import find_launch
from launches.space import shortage
from launches.views.form_links import form_links
from wire.errors import (
    AlreadyExists,
    Conflict,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Refusal,
    ResourceExhausted,
    Violation,
)


@dataclass(frozen=True)
class Posted:
    """What the form holds: the launch's inputs, the idempotency key, and names that were sent more than once.

    `shown_recipe` is the recipe whose fields the page shows.
    """

    inputs: dict[str, Any]
    key: str
    repeated: tuple[Violation, ...] = ()
    is_draft: bool = False
    shown_recipe: str = ""


@dataclass(frozen=True)
class Drift:
    """The version that the form was opened on, the one published since, its note for members, and what differs.

    `keeps` says why the old one cannot be launched any more; "" where it can.
    """

    old: ShapeVersion
    new: ShapeVersion
    note: str
    lines: tuple[FieldDifference, ...]
    keeps: str


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def launch_new(request: SlipwayRequest, account_id: str, shape_id: str, accept: Callable[..., Launch]) -> HttpResponse:
    """Show the form, filled in as its address says; or accept the launch and go to its page.

    `accept` is a verb that takes what `create_launch` does, and makes what goes with the launch, too.
    """
    if request.method == "POST":
        wanted = request.POST.get("decided") or request.POST.get("version", "")
        return _create(request, shown_version(request, account_id, shape_id, wanted), accept)
    return _open(request, shown_version(request, account_id, shape_id, request.GET.get("version", "")))


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def launch_preview(request: SlipwayRequest, account_id: str, shape_id: str) -> HttpResponse:
    """What the form says as it stands now: the resolved request, GPUs in all, and what is wrong with which field."""
    data = request.POST if request.method == "POST" else request.GET
    version = shown_version(request, account_id, shape_id, data.get("version", ""))
    inputs, repeated = read_inputs(data.lists())
    posted = Posted(
        inputs, data.get("idempotency_key", ""), repeated, is_draft=True, shown_recipe=data.get("shown_recipe", "")
    )
    return render(request, "launches/preview.html", form_context(request, version, posted))


@require_safe
@login_required
def launch_clone(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """Go to the form that would make the same launch again: the same version, where it can still be launched."""
    launch = find_launch(member_of(request), uid)
    if launch is None:
        raise Http404("There is no such launch.")
    version = launch.shape_version
    url = reverse("launch_new", args=[version.shape.account.account_id, version.shape.shape_id])
    pinned = "" if _not_launchable(version) else f"&version={version.version_id}"
    return HttpResponseRedirect(f"{url}?clone={launch.uid}{pinned}")


def _open(request: SlipwayRequest, version: ShapeVersion) -> HttpResponse:
    """A new form, with a new key: as the launch `?clone=` was, and with what its address carries from another form.

    What no field of this version takes is left out, and told, as is what it cannot take as it stands.
    """
    source = _clone_source(request)
    carried, wrong = read_carried(request.GET.lists())
    inputs = (dict(source.inputs) if source else {}) | carried
    posted = Posted(inputs, uuid.uuid4().hex, wrong)
    context = form_context(request, version, posted)
    unfit = context["summary"] if inputs or wrong else []
    first = context["preview"].default_refusal
    if lost := homeless(inputs, context["preview"].all_fields):
        kept = {name: value for name, value in inputs.items() if name not in lost}
        told = {found.field for _, _, found in unfit}
        because = [("", "", Violation(name, f"It is left out. {first}")) for name in sorted(lost - told) if first]
        unfit = [*unfit, *because]
        context = form_context(request, version, replace(posted, inputs=kept))
    context |= {
        "source": source,
        "source_gone": bool(source and _not_launchable(source.shape_version)),
        "carried": bool(carried or wrong),
        "unfit": [
            (label or LABELS.get(found.field), found)
            for label, _, found in unfit
            if found.field in inputs or found in wrong
        ],
        "unfit_fields": {field.name for field in context["preview"].all_fields},
    }
    return render(request, "launches/form.html", context)


def _create(request: SlipwayRequest, version: ShapeVersion, accept: Callable[..., Launch]) -> HttpResponse:
    inputs, repeated = read_inputs(request.POST.lists())
    posted = Posted(inputs, request.POST.get("idempotency_key", ""), repeated)
    if request.standing.account is None:
        return _form(request, version, posted, status=HTTPStatus.FORBIDDEN)
    active, shown = request.standing.account, request.POST.get("account")
    if shown is not None and shown != active.account_id:  # a second tab may have switched
        moved = moved_account(request, active, shown, again=f"send it again to launch in {active.account_id}")
        return _form(request, version, posted, status=HTTPStatus.CONFLICT, refusal=moved)
    if repeated:
        return _form(request, version, posted, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    if drift := _drift(request, version, posted):
        return _drifted(request, posted, drift)
    try:
        launch = accept(
            actor=actor_of(request),
            account=request.standing.account,
            version=version,
            inputs=inputs,
            idempotency_key=posted.key,
            as_latest=as_latest(request, version),
        )
    except Refusal as refusal:
        if isinstance(refusal, Conflict) and (drift := _drift(request, version, posted)):  # published since it looked
            return _drifted(request, posted, drift)
        return _form(request, version, posted, status=status_of(refusal), refusal=refusal)
    return see_other(reverse("launch", args=[launch.uid]))


def _drift(request: SlipwayRequest, version: ShapeVersion, posted: Posted) -> Drift | None:
    """What changed where the form was opened on the latest version and another one was published since.

    Who pinned a version, or decided between the two, gets what they chose; and a form sent twice, its launch.
    """
    if not as_latest(request, version):
        return None
    shape = version.shape
    mine = member_of(request)
    latest = find_version(mine, shape.account.account_id, shape.shape_id)
    if latest is None or latest.pk == version.pk or _made_with(request, posted.key):
        return None
    changed = differences((version.frozen_snapshot, version.fields), (latest.frozen_snapshot, latest.fields))
    note = latest.note if shape.account_id in mine else ""
    return Drift(version, latest, note, tuple(changed), keeps=_not_launchable(version))


def as_latest(request: SlipwayRequest, version: ShapeVersion) -> bool:
    """Whether the form was opened on the version because it was the latest one, and nobody decided for it since."""
    return request.POST.get("latest") == version.version_id and not request.POST.get("decided")


def _drifted(request: SlipwayRequest, posted: Posted, drift: Drift) -> HttpResponse:
    shown = drift.new if drift.keeps else drift.old
    return _form(request, shown, posted, status=HTTPStatus.CONFLICT, drift=drift)


def _form(
    request: SlipwayRequest,
    version: ShapeVersion,
    posted: Posted,
    *,
    status: int = HTTPStatus.OK,
    refusal: Refusal | None = None,
    drift: Drift | None = None,
) -> HttpResponse:
    context = form_context(request, version, posted, refusal=refusal)
    context |= {
        "drift": drift,
        "bound": request.method == "POST",
        "made": _made_with(request, posted.key) if isinstance(refusal, AlreadyExists) else None,
        "refusal": "" if refusal is None or isinstance(refusal, InvalidArgument) else refusal.message,
    }
    return render(request, "launches/form.html", context, status=status)


def form_context(
    request: SlipwayRequest, version: ShapeVersion, posted: Posted, *, refusal: Refusal | None = None
) -> dict[str, Any]:
    """What the templates of the form show, as it stands."""
    extra = posted.repeated
    if isinstance(refusal, InvalidArgument):
        extra = (*extra, *refusal.violations)
    preview = preview_launch(
        version,
        request.standing.account,
        posted.inputs,
        owner=request.user.pk,
        key=posted.key,
        extra=extra,
        is_draft=posted.is_draft,
    )
    labels = {field.name: (field.label, field.element) for field in preview.all_fields}
    successor = successor_of(member_of(request), version)
    links = form_links(version, successor, preview.all_fields)
    return {
        "section": "catalog",
        "version": version,
        "shape": version.shape,
        "successor": successor,
        "links": links,
        "stay": links.again,
        "preview": preview,
        "key": posted.key,
        "locked": _locked(request, version),
        "blocked": _blocked(preview),
        "shortage": "" if isinstance(refusal, ResourceExhausted) else shortage(),
        "summary": [(*labels.get(found.field, ("", "")), found) for found in preview.violations],
        "swaps_recipe": posted.is_draft and preview.shown_recipe != posted.shown_recipe,
    }


def shown_version(request: SlipwayRequest, account_id: str, shape_id: str, version_id: str) -> ShapeVersion:
    """The version that the form is of; the latest one where none is named. Errors: `Http404`."""
    version = find_launched(member_of(request), account_id, shape_id, version_id)
    if version is None:
        raise Http404("There is no such shape that trains.")
    return version


def _clone_source(request: SlipwayRequest) -> Launch | None:
    wanted = request.GET.get("clone")
    if not wanted:
        return None
    try:
        uid = uuid.UUID(wanted)
    except ValueError:
        raise Http404("There is no such launch.") from None
    launch = find_launch(member_of(request), uid)
    if launch is None:
        raise Http404("There is no such launch.")
    return launch


def _locked(request: SlipwayRequest, version: ShapeVersion) -> str:
    """Why this reader may not launch from this version; "" where they may."""
    if request.standing.account is None:
        return "You are a member of no account, so there is nowhere for a launch to go. Ask an admin for an invitation."
    try:
        require(actor_of(request), request.standing.account, Right.LAUNCH)
    except (NotFound, Refusal) as refusal:
        return refusal.message
    return _not_launchable(version)


def _not_launchable(version: ShapeVersion) -> str:
    try:
        check_launchable(version)
    except FailedPrecondition as refusal:
        return refusal.message
    return ""


def _blocked(preview: LaunchPreview) -> str:
    """Why the button cannot be pressed as the form stands, beyond violations, which are told on pressing it."""
    return preview.default_refusal or preview.refusal


def _made_with(request: SlipwayRequest, key: str) -> Launch | None:
    return Launch.objects.filter(owner=request.user.pk, idempotency_key=key).first()
