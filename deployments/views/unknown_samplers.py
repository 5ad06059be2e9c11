"""Samplers that run although no deployment of them is here: a page, and what the page of trainers loads of it."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of, see_other
from deployments.domain.end_unknown_sampler import end_unknown_sampler
from deployments.unknown_samplers import find_unknown_sampler, list_unknown_samplers
from launches.views.unknown_trainers import reader
from wire.errors import Refusal


@require_safe
@login_required
@never_cache
def unknown_samplers(request: SlipwayRequest) -> HttpResponse:
    """All that the reader may do something about."""
    return _page(request)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def unknown_sampler_end(request: SlipwayRequest, number: int) -> HttpResponse:
    """Ask whether to end it; on POST do."""
    try:
        sampler = find_unknown_sampler(reader(request), number)
        if request.method != "POST":
            return render(request, "deployments/unknown_end.html", {"section": "deployments", "sampler": sampler})
        end_unknown_sampler(actor=actor_of(request), sampler=sampler)
    except Refusal as refusal:
        return _page(request, refusal=refusal)
    messages.success(request, f"{sampler} was asked to end. It leaves this list once nothing of it is left.")
    return see_other(reverse("unknown_samplers"))


def _page(request: SlipwayRequest, *, refusal: Refusal | None = None) -> HttpResponse:
    """The page, with why something was refused on top; its rows alone for a page that loads them."""
    context: dict[str, object] = {"section": "deployments"}
    try:
        context["rows"] = list_unknown_samplers(reader(request))
    except Refusal as closed:
        refusal = refusal or closed
        context["closed"] = True
    context["refusal"] = refusal.message if refusal else ""
    template = "deployments/unknown_rows.html" if request.htmx else "deployments/unknown.html"
    return render(request, template, context, status=status_of(refusal) if refusal else HTTPStatus.OK)
