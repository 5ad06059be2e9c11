"""What was launched together: loaded by name into the page of a launch, or a page by itself."""

from __future__ import annotations

import uuid

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.actors import may_control
from accounts.requests import SlipwayRequest, actor_of
from catalog.views.access import member_of
from deployments.pages.members import LaunchSet, SamplerMember, TrainerMember
from deployments.queries import set_of
from deployments.views.of_launch import deploy_address
from launches.queries import find_launch

ASKED = ("cancel", "delete")
"""Verbs of a launch that ask what becomes of its samplers."""


@require_safe
@login_required
@never_cache
def launch_set(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """The members, their states and their GPUs; `?ask=` the question that a verb of ASKED puts about them."""
    launch = find_launch(member_of(request), uid)
    if launch is None:
        raise Http404("There is no such launch.")
    trainers, samplers = set_of(launch)
    policy, *references = [TrainerMember(*each) for each in trainers]
    context = {
        "section": "launches",
        "launch": launch,
        "set": LaunchSet(policy, references, [SamplerMember(row) for row in samplers]),
        "deploy_url": deploy_address(request, launch),
    }
    if (verb := request.GET.get("ask")) in ASKED:
        ended = [row.deployment for row in samplers if may_control(actor_of(request), row.deployment)]
        return render(request, "deployments/set_ask.html", context | {"verb": verb, "ended": ended})
    template = "deployments/set.html" if request.htmx else "deployments/set_page.html"
    return render(request, template, context)
