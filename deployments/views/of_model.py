"""The deployments that serve a model that people made, for the page that asks whether to delete it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.requests import SlipwayRequest
from catalog.trained_queries import find_trained
from catalog.views.access import member_of
from deployments.queries import LIVING, list_deployments
from wire.names import model_name


@require_safe
@login_required
@never_cache
def model_deployments(request: SlipwayRequest, account: str, model_id: str) -> HttpResponse:
    """Those that were not deleted: while there is one, the model is not deleted either."""
    found = find_trained(member_of(request), model_name(account, model_id))
    if found is None:
        raise Http404("There is no such model.")
    page = list_deployments([found.account_id], LIVING & Q(model=found))
    return render(request, "deployments/of_model.html", {"rows": [row.deployment for row in page.rows]})
