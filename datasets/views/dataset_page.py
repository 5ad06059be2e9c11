"""One dataset: how it stands, what its check found, its file, and its end."""

from __future__ import annotations

import uuid
from http import HTTPStatus

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.actors import may_control, require, right_to_control
from accounts.requests import SlipwayRequest, actor_of, see_other
from datasets.contents import download_of
from datasets.domain.delete_dataset import delete_dataset
from datasets.models import Dataset
from datasets.shown import ShownDataset
from datasets.states import DatasetState
from datasets.views.access import datasets_page, own_dataset
from downloads.answers import answer_download
from downloads.contents import files_in_words
from wire.errors import NotFound

STOP_POLLING = 286


@require_safe
@datasets_page
def dataset(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """Its page; the panel alone for HTMX, which asks for it again while something moves."""
    found = own_dataset(request, uid)
    shown = ShownDataset(found)
    context = {
        "section": "datasets",
        "dataset": found,
        "shown": shown,
        "controls": found.state != DatasetState.DELETED and may_control(actor_of(request), found),
    }
    if not request.htmx:
        return render(request, "datasets/page.html", context)
    status = HTTPStatus.OK if shown.is_moving else STOP_POLLING
    return render(request, "datasets/panel.html", context, status=status)


@require_safe
@datasets_page
def dataset_file(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponseBase:
    """Its file, as it was uploaded."""
    found = own_dataset(request, uid)
    with files_in_words(found.dataset_id):
        return answer_download(request, download_of(found))


@require_http_methods(["GET", "HEAD", "POST"])
@datasets_page
def dataset_delete(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """Ask, and on POST delete it."""
    found = _living(request, uid)
    actor = actor_of(request)
    require(actor, found.account, right_to_control(actor, found))
    if request.method == "POST":
        delete_dataset(actor=actor, dataset=found)
        messages.success(request, f"{found} was deleted.")
        return see_other(reverse("datasets"))
    context = {"section": "datasets", "dataset": found, "shown": ShownDataset(found)}
    return render(request, "datasets/delete.html", context)


def _living(request: SlipwayRequest, uid: uuid.UUID) -> Dataset:
    """Errors: `NotFound` for a deleted one, too."""
    found = own_dataset(request, uid)
    if found.state == DatasetState.DELETED:
        raise NotFound(f"{found} was deleted.")
    return found
