"""Uploading a dataset: the form, which takes small files by itself, and the pieces that scripts send behind it."""

from __future__ import annotations

import uuid
from http import HTTPStatus

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.actors import require
from accounts.models import Account
from accounts.refusals import status_of
from accounts.requests import SlipwayRequest, actor_of, see_other, wrong_account
from accounts.roles import Right
from datasets.content_range import HEADER, read_piece
from datasets.domain.create_dataset import create_dataset
from datasets.domain.delete_dataset import delete_dataset
from datasets.domain.receive_piece import receive_piece
from datasets.domain.reserve_space import LARGEST_BYTES
from datasets.domain.take_file import offered_directories, take_file
from datasets.forms import WITHOUT_SCRIPTS_MB, DatasetForm
from datasets.models import Dataset
from datasets.views.access import datasets_page, own_dataset
from wire.errors import InvalidArgument, NotFound, PermissionDenied, Refusal


@require_http_methods(["GET", "HEAD", "POST"])
@datasets_page
def dataset_new(request: SlipwayRequest) -> HttpResponse:
    """The form; on POST the dataset, with its file where that came with the form. What is refused keeps its inputs."""
    account = request.standing.account
    if account is None:
        raise NotFound("You are a member of no account yet.")
    require(actor_of(request), account, Right.LAUNCH)
    if request.method != "POST":
        return _page(request, account, DatasetForm(directories=offered_directories(account)))
    form = DatasetForm(request.POST, request.FILES, directories=offered_directories(account))
    if moved := wrong_account(request):
        return _page(request, account, form, refusal=moved.message, status=HTTPStatus.CONFLICT)
    if not form.is_valid():
        return _page(request, account, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        made = _take(request, account, form)
    except PermissionDenied:
        raise
    except InvalidArgument as error:
        form.refuse(error)
        return _page(request, account, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    except Refusal as error:
        return _page(request, account, form, refusal=error.message, status=status_of(error))
    return see_other(reverse("dataset", args=[made.uid]))


def _take(request: SlipwayRequest, account: Account, form: DatasetForm) -> Dataset:
    """Errors: those of `create_dataset` and of `receive_piece`, after which there is no dataset."""
    actor, file = actor_of(request), form.cleaned_data["file"]
    names = {name: form.cleaned_data[name] for name in ("dataset_id", "display_name")}
    if (path := form.cleaned_data.get("source_path")) and not file:
        return take_file(actor=actor, account=account, path=path, **names)
    size = file.size if file else form.cleaned_data["size_bytes"]
    made = create_dataset(actor=actor, account=account, size_bytes=size, **names)
    if file:
        try:
            receive_piece(actor=actor, dataset=made, source=file, start=0, length=size, total=size, field="file")
        except Refusal:
            delete_dataset(actor=actor, dataset=made)
            raise
    return made


@require_http_methods(["PUT"])
@datasets_page
def dataset_pieces(request: SlipwayRequest, uid: uuid.UUID) -> HttpResponse:
    """Take a piece, as the API does; the answer says in JSON from which byte on it goes on, or why it was not taken."""
    found = own_dataset(request, uid)
    try:
        piece = read_piece(request.headers.get(HEADER, ""), request.headers.get("Content-Length", ""))
        found = receive_piece(actor=actor_of(request), dataset=found, source=request, field=HEADER, **piece._asdict())
    except Refusal as error:
        found.refresh_from_db(fields=["received_bytes", "state"])
        said = {"message": error.message, "received": found.received_bytes, "state": found.state}
        return JsonResponse(said, status=status_of(error))
    return JsonResponse({"message": "", "received": found.received_bytes, "state": found.state})


def _page(
    request: SlipwayRequest, account: Account, form: DatasetForm, *, refusal: str = "", status: int = HTTPStatus.OK
) -> HttpResponse:
    context = {
        "section": "datasets",
        "account": account,
        "form": form,
        "refusal": refusal,
        "largest": LARGEST_BYTES,
        "without_scripts": WITHOUT_SCRIPTS_MB,
    }
    return render(request, "datasets/new.html", context, status=status)
