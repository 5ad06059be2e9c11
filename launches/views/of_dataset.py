"""What was trained on a dataset, or measured by it, and what could be: the pages of datasets load and link this by the
URL's name.
"""

from __future__ import annotations

import uuid
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.actors import require
from accounts.requests import SlipwayRequest, actor_of
from accounts.roles import Right
from catalog.views.access import member_of
from catalog.visibility import listed
from connections.providers.spec import DatasetFile
from datasets.models import Dataset
from datasets.states import DatasetState
from datasets.views.access import datasets_page, own_dataset
from launches.pages.rows import rows_as_html
from launches.placement import connections_of
from launches.queries import NEWEST_FIRST, given_file, list_launches
from launches.recipes import DATASET
from launches.resolve import RECIPE
from launches.subjects import files_of
from launches.takers import Taker, takers_of
from launches.views.form_links import form_address
from lists.filters import CURSOR
from lists.orders import PAGE
from lists.pages import show
from wire.errors import Refusal

FRAGMENT_ROWS = 5
FORMS = "forms"
"""Asks for the forms, too: who is about to delete the dataset is offered none."""


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
        "forms": _forms(request, dataset) if FORMS in request.GET else [],
        **page.links(lambda cursor: "?" + urlencode({CURSOR: cursor} if cursor else {})),
    }
    template = "launches/of_dataset_rows.html" if request.htmx else "launches/of_dataset.html"
    return render(request, template, context)


def _forms(request: SlipwayRequest, dataset: Dataset) -> list[tuple[Taker, str]]:
    """Shapes that train on it, with the address of the form that holds it; none where the reader launches nothing."""
    if dataset.state != DatasetState.READY or request.standing.account != dataset.account:
        return []
    try:
        require(actor_of(request), dataset.account, Right.LAUNCH)
    except Refusal:
        return []
    (file,) = files_of([dataset])
    takers = takers_of(listed(member_of(request)), file, connections_of(dataset.account))
    return [(each, _address(each, file)) for each in takers]


def _address(taker: Taker, file: DatasetFile) -> str:
    return f"{form_address(taker.version.shape)}?{urlencode({RECIPE: taker.recipe, DATASET: file.name})}"
