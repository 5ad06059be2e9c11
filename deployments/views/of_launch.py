"""The deployments that load or serve the weights of a launch, for its page, which loads them by name."""

from __future__ import annotations

import uuid
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.requests import SlipwayRequest
from accounts.roles import Right, allows
from catalog.version_queries import find_linked
from catalog.views.access import member_of
from connections.providers.spec import TrainerMode
from deployments.queries import LIVING, list_deployments
from deployments.views.deployment_list import shown
from launches.models import Launch
from launches.queries import find_launch


@require_safe
@login_required
@never_cache
def launch_deployments(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """Those that were not deleted, the newest first, and where another one is made."""
    launch = find_launch(member_of(request), uid)
    if launch is None:
        raise Http404("There is no such launch.")
    served = Q(serves__startswith=f"{launch.name}/checkpoints/")
    page = list_deployments([launch.account_id], LIVING & (Q(trainer=launch) | served))
    context = {
        "launch": launch,
        "rows": [shown(row) for row in page.rows],
        "deploy_url": deploy_address(request, launch),
    }
    return render(request, "deployments/of_launch.html", context)


def deploy_address(request: SlipwayRequest, launch: Launch) -> str:
    """The form of the deployment shape that its shape links, for it; "" where there is none or nothing to be loaded."""
    standing, snapshot = request.standing, launch.shape_version.frozen_snapshot
    mine = standing.account == launch.account and allows(standing.role, Right.LAUNCH)
    if not mine or launch.deleted_at or snapshot.trainer_mode == TrainerMode.FORWARD_ONLY:
        return ""
    version = find_linked(member_of(request), snapshot)
    if version is None:
        return ""
    path = reverse("deployment_new", args=[version.shape.account.account_id, version.shape.shape_id])
    return f"{path}?{urlencode({'version': version.version_id, 'trainer': launch.job_id})}"
