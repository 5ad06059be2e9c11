"""What is pushed of a model or a checkpoint, and pushing it: a part of its page, and a page by itself."""

from __future__ import annotations

import uuid
from http import HTTPStatus

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.guards import guarded_page
from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of, see_other
from catalog.models import TrainedModel
from launches.domain.release_weights import release
from launches.models import Checkpoint
from launches.views.downloads import own_checkpoint
from launches.views.model_page import own_model
from pushes.domain.start_push import start_push
from pushes.queries import destinations, pushes_of
from wire.errors import InvalidArgument, PermissionDenied, Refusal


@require_http_methods(["GET", "HEAD", "POST"])
@guarded_page("models")
def model_pushes(request: SlipwayRequest, account: str, model_id: str) -> HttpResponse:
    """Of a model."""
    back = reverse("model", args=[account, model_id])
    return _answer(request, own_model(request, account, model_id), back, section="models")


@require_http_methods(["GET", "HEAD", "POST"])
@guarded_page("launches")
def checkpoint_pushes(request: SlipwayRequest, uid: uuid.UUID, kind: str, name: str) -> HttpResponse:
    """Of a checkpoint."""
    back = reverse("checkpoint", args=[uid, kind, name])
    return _answer(request, own_checkpoint(request, uid, kind, name), back, section="launches")


def _answer(request: SlipwayRequest, source: TrainedModel | Checkpoint, back: str, *, section: str) -> HttpResponse:
    """What there is; on POST push it and go back to its page."""
    actor, refusal, status = actor_of(request), "", int(HTTPStatus.OK)
    if request.method == "POST":
        try:
            start_push(actor=actor, source=source, destination=request.POST.get("destination", ""))
            return see_other(f"{back}#pushes")
        except InvalidArgument as error:
            refusal, status = error.violations[0].description, int(HTTPStatus.UNPROCESSABLE_ENTITY)
        except PermissionDenied:
            raise
        except Refusal as error:
            refusal, status = error.message, status_of(error)
    pushes = pushes_of(source)
    context = {
        "section": section,
        "source": source,
        "back": back,
        "address": request.path,
        "pushes": pushes,
        "is_moving": any(push.finished_at is None for push in pushes),
        "may_push": _may_push(request, source),
        "destinations": destinations(),
        "sets_destinations": actor.is_superuser,
        "refusal": refusal,
    }
    return render(request, "pushes/panel.html" if request.htmx else "pushes/page.html", context, status=status)


def _may_push(request: SlipwayRequest, source: TrainedModel | Checkpoint) -> bool:
    try:
        release(actor=actor_of(request), source=source)
    except Refusal:
        return False
    return True
