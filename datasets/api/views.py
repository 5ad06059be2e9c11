"""Datasets: each method by one verb."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account
from api.listing import Filterable, Listing, Sortable, answer_list, column, compare
from api.refusals import invalid
from api.schema import CONFLICT, UNREADABLE, answers_list, answers_nothing, answers_one, refusals
from api.views import NothingSerializer, ResourceView, read_body, refuse_body
from datasets.api.resources import (
    FILE_URL,
    FORMATS,
    STATES,
    CreateDatasetSerializer,
    DatasetSerializer,
    UploadEndpointSerializer,
    UploadRequestSerializer,
)
from datasets.content_range import HEADER, read_piece
from datasets.contents import download_of
from datasets.domain.announce_upload import announce_upload
from datasets.domain.create_dataset import create_dataset
from datasets.domain.delete_dataset import delete_dataset
from datasets.domain.receive_piece import receive_piece
from datasets.domain.take_file import take_file
from datasets.models import Dataset
from datasets.queries import living_datasets
from datasets.states import DatasetState
from downloads.answers import answer_download
from downloads.contents import files_in_words
from wire.errors import FailedPrecondition, InvalidArgument, NotFound, Violation
from wire.filters import FilterField, FilterKind
from wire.names import dataset_name, is_id

TOO_MANY = 429
WIRE = {
    "dataset_id": "datasetId",
    "display_name": "dataset.displayName",
    "size_bytes": "filenameToSize",
    "path": "dataset.externalUrl",
}
DATASETS = Listing(
    key="datasets",
    model=Dataset,
    scope=("account",),
    serializer=DatasetSerializer,
    filters={
        "state": Filterable(
            FilterField(FilterKind.CHOICE, STATES), lambda operator, value: compare("state", operator, value)
        ),
        "format": Filterable(
            FilterField(FilterKind.CHOICE, FORMATS[1:]), lambda operator, value: compare("format", operator, value)
        ),
        "create_time": column("created_at", FilterKind.TIME),
    },
    orders={"create_time": Sortable(("created_at",)), "name": Sortable(("dataset_id",))},
    default_order="create_time desc",
)


class DatasetsView(ResourceView):
    """The datasets of an account."""

    @extend_schema(**answers_list(DATASETS))
    def get(self, request: Request, account: str) -> HttpResponse:  # noqa: ARG002
        """List them, newest first."""
        return answer_list(self, partial(living_datasets, self.own_account(account)), DATASETS)

    @extend_schema(**answers_one("CreateDataset", DatasetSerializer, body=CreateDatasetSerializer, conflicts=True))
    def post(self, request: Request, account: str) -> Response:
        """Create a dataset, to which its file is then sent. The same id again is answered with 409."""
        owner = self.own_account(account)
        body = read_body(CreateDatasetSerializer, request.data)
        _refuse_derived(body)
        said = body.get("dataset", {})
        names = {"dataset_id": body["datasetId"], "display_name": said.get("displayName", "")}
        address = said.get("externalUrl", "")
        with _wire_fields():
            if address:
                path = address.removeprefix(FILE_URL)
                made = take_file(actor=self.actor, account=owner, path=path, **names)
            else:
                made = create_dataset(actor=self.actor, account=owner, **names)
        return self.answer(DatasetSerializer, _find(self, account, made.dataset_id))


class DatasetView(ResourceView):
    """One dataset."""

    @extend_schema(**answers_one("GetDataset", DatasetSerializer))
    def get(self, request: Request, account: str, dataset: str) -> Response:  # noqa: ARG002
        """The dataset: how far its upload or its check is, and what that found."""
        return self.answer(DatasetSerializer, _find(self, account, dataset))

    @extend_schema(**answers_nothing("DeleteDataset"))
    def delete(self, request: Request, account: str, dataset: str) -> Response:  # noqa: ARG002
        """Delete it with its file; its id is free."""
        delete_dataset(actor=self.actor, dataset=_find(self, account, dataset))
        return Response({})


class UploadEndpointView(ResourceView):
    """Where a file is sent to."""

    @extend_schema(
        operation_id="GetDatasetUploadEndpoint",
        request=UploadRequestSerializer,
        responses={200: UploadEndpointSerializer, **refusals(UNREADABLE, TOO_MANY)},
    )
    def post(self, request: Request, account: str, dataset: str) -> Response:
        """Say how large the file is, and learn the address that takes it in pieces."""
        found = _find(self, account, dataset)
        sizes = read_body(UploadRequestSerializer, request.data)["filenameToSize"]
        if len(sizes) != 1:
            raise invalid("filenameToSize", f"It names {len(sizes)} files. A dataset is one file: send one name.")
        ((file_name, size),) = sizes.items()
        with _wire_fields():
            announce_upload(actor=self.actor, dataset=found, size_bytes=size)
        path = reverse("api_dataset_upload", kwargs={"account": account, "dataset": dataset})
        return Response({"filenameToSignedUrls": {file_name: f"{settings.SLIPWAY_URL}{path}"}})


class UploadView(ResourceView):
    """A piece of a file."""

    parser_classes = ()

    @extend_schema(
        operation_id="UploadDatasetPiece",
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses={200: DatasetSerializer, **refusals(CONFLICT, TOO_MANY)},
        parameters=[
            OpenApiParameter(
                HEADER, str, location=OpenApiParameter.HEADER,
                description="Which bytes these are, such as `bytes 0-8388607/20000000`; left out for a whole file.",
            )
        ],
    )  # fmt: skip
    def put(self, request: Request, account: str, dataset: str) -> Response:
        """Send the next piece of the file, of at most 8 MiB; with the last one the check begins.

        Where a piece begins elsewhere than the file here ends, the answer is 409: `receivedBytes` of the dataset says
        where to go on. A piece that is here already changes nothing.
        """
        found = _find(self, account, dataset)
        piece = read_piece(request.headers.get(HEADER, ""), request.headers.get("Content-Length", ""))
        received = receive_piece(
            actor=self.actor, dataset=found, source=request._request, field=HEADER, **piece._asdict()
        )
        return self.answer(DatasetSerializer, received)


class ValidateUploadView(ResourceView):
    """The end of an upload."""

    @extend_schema(
        operation_id="ValidateDatasetUpload",
        request=NothingSerializer,
        responses={200: OpenApiTypes.OBJECT, **refusals(UNREADABLE)},
    )
    def post(self, request: Request, account: str, dataset: str) -> Response:
        """Make sure that the whole file is here; its check began with the last piece."""
        refuse_body(request)
        found = _find(self, account, dataset)
        if found.state == DatasetState.UPLOADING:
            size = "not said yet" if found.size_bytes is None else f"{found.size_bytes:,}"
            raise FailedPrecondition(
                f"{found.received_bytes:,} bytes of {found.dataset_id} are here, of {size}. Send the others."
            )
        return Response({})


class DownloadDatasetView(ResourceView):
    """The file."""

    @extend_schema(
        operation_id="DownloadDataset",
        description="Range, If-Range, If-None-Match and HEAD are answered; the entity tag is the file's sha256.",
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            (206, "application/octet-stream"): OpenApiTypes.BINARY,
            **refusals(TOO_MANY),
        },
    )
    def get(self, request: Request, account: str, dataset: str) -> HttpResponseBase:
        """The file as it was uploaded."""
        found = _find(self, account, dataset)
        with files_in_words(found.name):
            return answer_download(request._request, download_of(found))


def _find(view: ResourceView, account: str, dataset: str) -> Dataset:
    """Errors: `NotFound`."""
    owner: Account = view.own_account(account)
    found = living_datasets(owner).filter(dataset_id=dataset).first() if is_id(dataset) else None
    if found is None:
        raise NotFound(f"There is no {dataset_name(account, dataset)[:300]}.")
    return found


def _refuse_derived(body: Mapping[str, Any]) -> None:
    """Errors: `InvalidArgument` for what asks for something that there is not."""
    wanted = [name for name in ("sourceDatasetId", "filter") if body.get(name)]
    found = [Violation(name, "Datasets are uploaded, not made from others. Leave it out.") for name in wanted]
    if found:
        raise InvalidArgument(found)


@contextmanager
def _wire_fields() -> Iterator[None]:
    """Name the fields of a refusal as the request does."""
    try:
        yield
    except InvalidArgument as error:
        raise InvalidArgument(
            [Violation(WIRE.get(v.field, v.field), v.description) for v in error.violations]
        ) from None
