"""What does not match: trainers that run although nothing of them is recorded here, and launches not found there."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import User
from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of
from launches.domain.end_unknown_trainer import end_unknown_trainer
from launches.unknown_trainers import find_unknown_trainer, list_missing, list_unknown_trainers
from wire.errors import Refusal


@require_safe
@login_required
@never_cache
def unknown_trainers(request: SlipwayRequest) -> HttpResponse:
    """All that the reader may do something about."""
    return unmatched_page(request)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def unknown_trainer_end(request: SlipwayRequest, number: int) -> HttpResponse:
    """Ask whether to end it; on POST do."""
    try:
        trainer = find_unknown_trainer(reader(request), number)
        if request.method != "POST":
            list_unknown_trainers(reader(request))  # a member who is no admin is told so before they press the button
            return render(request, "launches/unknown_end.html", {"section": "launches", "trainer": trainer})
        end_unknown_trainer(actor=actor_of(request), trainer=trainer)
    except Refusal as refusal:
        return unmatched_page(request, refusal=refusal)
    messages.success(request, f"{trainer.job_id} was asked to end. It leaves this list once it has.")
    return HttpResponseRedirect(reverse("unknown_trainers"))


def unmatched_page(request: SlipwayRequest, *, refusal: Refusal | None = None) -> HttpResponse:
    """The page, with why something was refused on top."""
    context: dict[str, object] = {"section": "launches"}
    try:
        context["rows"] = list_unknown_trainers(reader(request))
        context["missing"] = list_missing(reader(request))
        context["own"] = {membership.account_id for membership in request.standing.memberships}
    except Refusal as closed:
        refusal = refusal or closed
        context["closed"] = True
    context["refusal"] = refusal.message if refusal else ""
    status = status_of(refusal) if refusal else HTTPStatus.OK
    return render(request, "launches/unknown.html", context, status=status)


def reader(request: SlipwayRequest) -> User:
    """Who asks."""
    assert isinstance(request.user, User), "login_required lets nobody else in"
    return request.user
