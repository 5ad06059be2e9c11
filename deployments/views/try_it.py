"""Try a model or a checkpoint: find the deployment that serves it, or make one, and go on to its playground."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.actors import require
from accounts.models import Account
from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of, see_other
from accounts.roles import Right
from catalog.labels import duration_label
from catalog.views.access import member_of
from deployments.domain.create_deployment import create_deployment
from deployments.models import Deployment
from deployments.offers import ServingOffers, can_be_named, find_offers, find_serving, free_id
from deployments.views.access import deployments_page
from launches.serving import IDLE_SECONDS
from wire.errors import AlreadyExists, InvalidArgument, Refusal

SERVE = "serve"


@require_http_methods(["GET", "HEAD", "POST"])
@deployments_page
def try_it(request: SlipwayRequest) -> HttpResponse:
    """Say which deployment, or which shape and connection; on POST go there, where needed by making it."""
    name = request.POST.get(SERVE) or request.GET.get(SERVE, "")
    account = _account_of(request, name)
    actor = actor_of(request)
    require(actor, account, Right.LAUNCH)
    serving = find_serving(account, name)
    offers = ServingOffers([]) if serving else find_offers(member_of(request), account, name)
    if request.method != "POST":
        return _page(request, account, name, serving, offers)
    if serving is not None:
        return _to(serving)
    chosen = offers.first
    if chosen is None:
        return _page(request, account, name, None, offers, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        made = create_deployment(
            actor=actor,
            account=account,
            deployment_id=free_id(account, name),
            version=chosen.version,
            base_model=name,
            said={"description": f"To try {name}"},
        )
    except AlreadyExists:  # the same button, pressed twice
        return see_other(f"{reverse('try_it')}?{urlencode({SERVE: name})}")
    except InvalidArgument as refusal:
        told = " ".join(each.description for each in refusal.violations)
        return _page(request, account, name, None, offers, refusal=told, status=status_of(refusal))
    except Refusal as refusal:
        return _page(request, account, name, None, offers, refusal=refusal.message, status=status_of(refusal))
    messages.success(request, f"{made} serves {name.rpartition('/')[2]}. It starts now: a cold start.")
    return _to(made)


def _account_of(request: SlipwayRequest, name: str) -> Account:
    """Whose deployment it is to be: the account that owns it, else the active one. Errors: `Http404`."""
    own = {each.account.account_id: each.account for each in request.standing.memberships}
    found = own.get(name.removeprefix("accounts/").partition("/")[0]) or request.standing.account
    if found is None or not can_be_named(member_of(request), found, name):
        raise Http404("There is no such model or checkpoint.")
    return found


def _to(row: Deployment) -> HttpResponse:
    return see_other(reverse("deployment_try", args=[row.uid]))


def _page(
    request: SlipwayRequest,
    account: Account,
    name: str,
    serving: Deployment | None,
    offers: ServingOffers,
    *,
    refusal: str = "",
    status: int = HTTPStatus.OK,
) -> HttpResponse:
    context: dict[str, Any] = {
        "section": "deployments",
        "account": account,
        "name": name,
        "serving": serving,
        "offer": offers.first,
        "against": offers.against,
        "idle": duration_label(IDLE_SECONDS),
        "refusal": refusal,
    }
    return render(request, "deployments/try_it.html", context, status=status)
