"""What was trained on a dataset, or measured by it. The pages of datasets load and link this by the URL's name."""

from __future__ import annotations

import uuid
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.requests import SlipwayRequest
from datasets.views.access import datasets_page, own_dataset
from launches.pages.rows import rows_as_html
from launches.queries import NEWEST_FIRST, given_file, list_launches
from lists.filters import CURSOR
from lists.orders import PAGE
from lists.pages import show

FRAGMENT_ROWS = 5


@require_safe
@datasets_page
def dataset_launches(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """The launches that were given its file: a few for the dataset's pages, or a page of their own."""
    dataset = own_dataset(request, uid)
    wanted = given_file(f"{dataset.uid.hex}.jsonl")
    size = FRAGMENT_ROWS if request.htmx else PAGE
    page = show(
        request.GET.get(CURSOR, ""),
        lambda cursor: list_launches([dataset.account_id], wanted, NEWEST_FIRST, cursor, size=size),
    )
    context = {
        "section": "datasets",
        "dataset": dataset,
        "rows": rows_as_html(page.rows, with_shape=False),
        **page.links(lambda cursor: "?" + urlencode({CURSOR: cursor} if cursor else {})),
    }
    template = "launches/of_dataset_rows.html" if request.htmx else "launches/of_dataset.html"
    return render(request, template, context)
