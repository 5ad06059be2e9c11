"""The tokens of a dataset: a part of its page, and a page by itself; a POST asks for those of another tokenizer."""

from __future__ import annotations

import uuid
from http import HTTPStatus

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.actors import require
from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of, see_other
from accounts.roles import Right
from datasets.domain.ask_token_count import ask_token_count, counted_models
from datasets.models import Dataset
from datasets.shown import ShownCount
from datasets.views.access import datasets_page, own_dataset
from wire.errors import InvalidArgument, PermissionDenied, Refusal


@require_http_methods(["GET", "HEAD", "POST"])
@datasets_page
def dataset_tokens(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """What was counted; on POST ask, and go back to the dataset."""
    found, refusal, status = own_dataset(request, uid), "", int(HTTPStatus.OK)
    if request.method == "POST":
        try:
            ask_token_count(actor=actor_of(request), dataset=found, base_model=request.POST.get("base_model", ""))
            return see_other(f"{reverse('dataset', args=[uid])}#tokens")
        except PermissionDenied:
            raise
        except InvalidArgument as error:
            refusal, status = error.violations[0].description, int(HTTPStatus.UNPROCESSABLE_ENTITY)
        except Refusal as error:
            refusal, status = error.message, status_of(error)
    counts = [ShownCount(row) for row in found.token_counts.order_by("pk")]
    context = {
        "section": "datasets",
        "dataset": found,
        "counts": counts,
        "is_moving": any(each.row.finished_at is None for each in counts),
        "models": [name for name, _ in counted_models(found.account)] if _may_ask(request, found) else [],
        "refusal": refusal,
    }
    template = "datasets/tokens.html" if request.htmx else "datasets/tokens_page.html"
    return render(request, template, context, status=status)


def _may_ask(request: SlipwayRequest, dataset: Dataset) -> bool:
    try:
        require(actor_of(request), dataset.account, Right.LAUNCH)
    except Refusal:
        return False
    return True
