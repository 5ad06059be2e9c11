"""Checkpoints in the browser: what each is, and its files to take away; and signed links, which need no session."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.actors import Actor
from accounts.domain.sign_link import open_link
from accounts.origins import origin_of
from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of
from catalog.models import TrainedModel
from catalog.usage import loading_code
from connections.providers.checkpoints import CheckpointKind
from launches.domain.release_weights import ARCHIVE, Weights, release_checkpoint, release_model
from launches.models import Checkpoint
from launches.pages.download_code import download_code
from launches.sending import send_weights
from launches.views.launch_page import launch_page, look_at
from wire.errors import NotFound, Refusal
from wire.status import Code, status_body

OVER = (
    "This link opens nothing (any more): it works for {minutes} minutes, and for as long as the key that it was made "
    "with. Ask for a new one."
)


@require_safe
@login_required
@never_cache
def checkpoint(request: SlipwayRequest, uid: uuid.UUID, kind: str, name: str) -> HttpResponse:
    """A checkpoint's page: facts, files, and a line to copy for each way to take it away."""
    found = own_checkpoint(request, uid, kind, name)
    refusal = ""
    try:
        release_checkpoint(actor=actor_of(request), checkpoint=found)
    except Refusal as refused:
        refusal = refused.message
    resource = f"{found.launch.name}/checkpoints/{found.name}"
    return render(
        request,
        "launches/checkpoint.html",
        {
            "section": "launches",
            "launch": found.launch,
            "checkpoint": found,
            "kind": kind,
            "name": resource,
            "files": found.files,
            "refusal": refusal,
            "promotes": found.promotable and not refusal,
            "base_model": found.launch.spec["base_model"],
            "code": download_code(resource, folder=found.name, kind=found.kind),
            "loading": _loading(found),
        },
    )


@require_safe
@login_required
def checkpoint_archive(request: SlipwayRequest, uid: uuid.UUID, kind: str, name: str) -> HttpResponseBase:
    """All its files in one."""
    return checkpoint_file(request, uid, kind, name, ARCHIVE)


@require_safe
@login_required
def checkpoint_file(request: SlipwayRequest, uid: uuid.UUID, kind: str, name: str, path: str) -> HttpResponseBase:
    """One of its files."""
    found, actor = own_checkpoint(request, uid, kind, name), actor_of(request)
    try:
        weights = release_checkpoint(actor=actor, checkpoint=found)
        return send_weights(request, actor=actor, weights=weights, path=path)
    except NotFound as refusal:
        raise Http404(refusal.message) from None
    except Refusal as refusal:
        return launch_page(request, uid, status=status_of(refusal), refusal=refusal.message)


@require_safe
def signed_download(request: HttpRequest, token: str, name: str) -> HttpResponseBase:
    """What the link was signed for, with the rights that its key has now; refusals are for a program."""
    lasts = timedelta(minutes=settings.SLIPWAY_DOWNLOAD_MINUTES)
    number = getattr(request, "request_id", "")
    link = open_link(token=token, now=timezone.now(), lasts=lasts, origin=origin_of(request), request_id=number)
    try:
        if link is None:
            raise NotFound(OVER.format(minutes=settings.SLIPWAY_DOWNLOAD_MINUTES))
        *target, path = link.target
        weights = _released(link.actor, *target)
        return send_weights(request, actor=link.actor, weights=weights, path=path)
    except Refusal as refusal:
        code = Code[refusal.code]
        answer = JsonResponse(status_body(code, refusal.message, reason=refusal.reason), status=code.http_status)
        answer["Cache-Control"] = "no-store"
        return answer


def _loading(found: Checkpoint) -> str:
    """Code that opens its folder; "" for what is no Hugging Face directory."""
    if found.kind != CheckpointKind.SAMPLER:
        return ""
    return loading_code(found.name, base_model=found.launch.spec["base_model"], adapter=found.is_adapter)


def _released(actor: Actor, what: str, pk: str) -> Weights:
    """Errors: `Refusal`s."""
    match what:
        case "checkpoint":
            found = (
                Checkpoint.objects.filter(pk=int(pk)).select_related("launch__account", "launch__connection").first()
            )
            if found is not None:
                return release_checkpoint(actor=actor, checkpoint=found)
        case "model":
            model = TrainedModel.objects.select_related("account").filter(pk=int(pk)).first()
            if model is not None:
                return release_model(actor=actor, model=model)
    raise NotFound("What this link was made for is gone.")


def own_checkpoint(request: SlipwayRequest, uid: uuid.UUID, kind: str, name: str) -> Checkpoint:
    """What the address names. Errors: `Http404` for what is not there or belongs to somebody else's account."""
    launch = look_at(request, uid).launch
    known = {each.lower(): each.value for each in CheckpointKind}
    found = launch.checkpoints.filter(kind=known.get(kind, ""), name=name).first()
    if found is None:
        raise Http404("There is no such checkpoint.")
    found.launch = launch
    return found
