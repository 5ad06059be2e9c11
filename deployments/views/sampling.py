"""What samplers did for a trainer, beside its loss: a panel that pages load, and what its curves are drawn from."""

from __future__ import annotations

import uuid
from http import HTTPStatus

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.requests import SlipwayRequest
from connections.providers.states import FINAL
from deployments.sampling import Sampling, sampling_of_deployment, sampling_of_launch
from deployments.views.deployment_page import look_at
from launches.views.launch_page import look_at as look_at_launch

ASK_NO_MORE = 286
"""The status by which htmx stops to ask every few seconds."""


@require_safe
@login_required
@never_cache
def launch_sampling(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """The panel of a launch; nothing where nobody samples with its weights, which a page asks for again."""
    launch = look_at_launch(request, uid).launch
    if launch.deployments.exists() or launch.sampler_metrics.exists():
        return _panel(request, sampling_of_launch(launch), reverse("launch_sampling_records", args=[uid]))
    return HttpResponse(status=ASK_NO_MORE if launch.state in FINAL else HTTPStatus.OK)


@require_safe
@login_required
@never_cache
def launch_sampling_records(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """`{records, figures}` of a launch, all of them."""
    return _records(sampling_of_launch(look_at_launch(request, uid).launch))


@require_safe
@login_required
@never_cache
def deployment_sampling(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """The panel of a deployment."""
    found = sampling_of_deployment(look_at(request, uid))
    return _panel(request, found, reverse("deployment_sampling_records", args=[uid]))


@require_safe
@login_required
@never_cache
def deployment_sampling_records(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """`{records, figures}` of a deployment, all of them."""
    return _records(sampling_of_deployment(look_at(request, uid)))


def _panel(request: HttpRequest, found: Sampling, records: str) -> HttpResponse:
    rewarded = any(step.reward is not None for step in found.steps)
    context = {"sampling": found, "figures": found.figures, "records_url": records, "rewarded": rewarded}
    return render(request, "deployments/sampling.html", context, status=ASK_NO_MORE)


def _records(found: Sampling) -> HttpResponse:
    told = [step.as_json(number) for number, step in enumerate(found.steps, 1)]
    return JsonResponse({"records": told, "figures": found.figures})
