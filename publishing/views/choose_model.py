"""The base model that a new shape is for, found as in the catalog: the first step of the editor."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render

from accounts.models import Account
from accounts.requests import SlipwayRequest
from catalog.enums import ShapeKind
from catalog.facets import chips
from catalog.forms import read_filters
from catalog.model_queries import visible_models
from catalog.views.access import member_of

MOST_MODELS = 60


def choose_model(request: SlipwayRequest, account: Account, name: str, kind: ShapeKind) -> HttpResponse:
    """What can be chosen for a new shape; `name` is what was asked for and is none of them, "" where nothing was."""
    filters, problems = read_filters(request.GET)
    found = list(visible_models(member_of(request), filters)[: MOST_MODELS + 1])
    asked = {} if kind is ShapeKind.TRAINING else {"kind": kind}
    other = "" if asked else f"?{urlencode({'kind': ShapeKind.DEPLOYMENT})}"
    context = {
        "section": "publish",
        "kind": kind,
        "other_url": other or "?",
        "account": account,
        "models": [(model, "?" + urlencode({"model": model.name} | asked, safe="/")) for model in found[:MOST_MODELS]],
        "more": len(found) > MOST_MODELS,
        "filters": filters,
        "problems": problems,
        "chips": chips(filters),
        "unknown": name,
    }
    status = HTTPStatus.NOT_FOUND if name else HTTPStatus.OK
    return render(request, "publishing/choose_model.html", context, status=status)
