"""The list of the active account's datasets."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.requests import SlipwayRequest
from accounts.roles import Right, allows
from datasets.filters import DATASETS
from datasets.models import Dataset
from datasets.queries import LIVING, list_datasets, quota_bytes, used_bytes
from datasets.shown import ShownDataset
from datasets.views.access import datasets_page
from lists.orders import count_up_to
from lists.pages import show

COUNTED = 10_000


@require_safe
@datasets_page
def datasets(request: SlipwayRequest) -> HttpResponse:
    """As `DATASETS` declares; `before` is the cursor of a page."""
    account = request.standing.account
    accounts = [account.pk] if account else []
    asked = DATASETS.read(request.GET)
    context: dict[str, Any] = {
        "section": "datasets",
        "account": account,
        "asked": asked,
        "controls": asked.controls(),
        "sorts": asked.sort_links,
        "uploads": allows(request.standing.role, Right.LAUNCH),
        "used": used_bytes(account) if account else 0,
        "quota": quota_bytes(),
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if asked.problems else HTTPStatus.OK
    if not asked.problems:
        rows = Dataset.objects.filter(LIVING, account__in=accounts)
        wanted = LIVING & asked.condition_among(rows, request.user)
        page = show(asked.cursor, partial(list_datasets, accounts, wanted, asked.order))
        total = count_up_to(rows.filter(wanted), COUNTED)
        context |= {
            "rows": [ShownDataset(row) for row in page.rows],
            "total": f"{total:,}" if total <= COUNTED else f"more than {COUNTED:,}",
            "one": total == 1,
            **page.links(asked.page_address),
        }
    return render(request, "datasets/rows.html" if request.htmx else "datasets/list.html", context, status=status)
