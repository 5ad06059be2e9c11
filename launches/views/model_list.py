"""The list of the models that an account made."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.requests import SlipwayRequest
from catalog.trained_queries import list_trained, trained_models
from launches.model_filters import TRAINED_MODELS
from launches.pages.models import ShownModel
from launches.views.launch_list import COUNTED
from lists.orders import PAGE, count_up_to
from lists.pages import show


@require_safe
@login_required
@never_cache
def models(request: SlipwayRequest) -> HttpResponse:
    """The active account's, as `TRAINED_MODELS` declares; `before` is the cursor of a page."""
    account = request.standing.account
    accounts = [account.pk] if account else []
    asked = TRAINED_MODELS.read(request.GET)
    context: dict[str, Any] = {"section": "models", "account": account, "asked": asked, "controls": asked.controls()}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if asked.problems else HTTPStatus.OK
    if not asked.problems:
        wanted = asked.condition_among(trained_models(accounts), request.user)
        page = show(asked.cursor, lambda cursor: list_trained(accounts, wanted, asked.order, cursor, size=PAGE))
        total = count_up_to(trained_models(accounts).filter(wanted), COUNTED)
        context |= {
            "rows": [ShownModel(model) for model in page.rows],
            "total": f"{total:,}" if total <= COUNTED else f"more than {COUNTED:,}",
            "one": total == 1,
            **page.links(asked.page_address),
        }
    template = "models/rows.html" if request.htmx else "models/list.html"
    return render(request, template, context, status=status)
