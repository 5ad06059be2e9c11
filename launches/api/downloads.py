"""Weights by the API: as bytes, or as links that work without a key for some minutes."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.schema import UNDONE, refusals
from api.views import ResourceView, asked
from catalog.trained_queries import find_trained
from connections.providers.checkpoints import CheckpointKind
from launches.api.views import find_job
from launches.domain.release_weights import Weights, release_checkpoint, release_model
from launches.models import Checkpoint
from launches.sending import send_weights, signed_links
from wire.errors import InvalidArgument, NotFound, Violation
from wire.names import model_name
from wire.times import rfc3339

TOO_MANY, UNAVAILABLE = 429, 503
PATH = OpenApiParameter("path", str, description="One of its files; a tar of all where it is left out.")
KIND = OpenApiParameter("kind", str, enum=list(CheckpointKind), description="Where two checkpoints have one name.")
DOWNLOAD: dict[str, Any] = {
    "description": "Range, If-Range, If-None-Match and HEAD are answered; the entity tag of a file is its sha256.",
    "responses": {
        (200, "application/octet-stream"): OpenApiTypes.BINARY,
        (206, "application/octet-stream"): OpenApiTypes.BINARY,
        **refusals(UNDONE, TOO_MANY, UNAVAILABLE),
    },
}


class DownloadEndpointSerializer(serializers.Serializer[dict[str, Any]]):
    """Signed links, which need no key."""

    filenameToSignedUrls = serializers.DictField(child=serializers.CharField(), help_text="by the file's path")
    archiveSignedUrl = serializers.CharField(help_text="all files as one tar")
    expireTime = serializers.DateTimeField(help_text="until when a download by them may begin")


LINKS: dict[str, Any] = {"responses": {200: DownloadEndpointSerializer, **refusals(UNDONE, UNAVAILABLE)}}


class WeightsView(ResourceView):
    """What both kinds of weights share."""

    def send(self, request: Request, weights: Weights) -> HttpResponseBase:
        """The bytes that are asked for."""
        return send_weights(request._request, actor=self.actor, weights=weights, path=asked(request, "path"))

    def links(self, weights: Weights) -> Response:
        """An address for each file, and one for all."""
        files, archive, until = signed_links(key=self.key, weights=weights)
        body = {"filenameToSignedUrls": files, "archiveSignedUrl": archive, "expireTime": rfc3339(until)}
        return self.answer(DownloadEndpointSerializer, body)

    def checkpoint(self, request: Request, account: str, job: str, checkpoint: str) -> Weights:
        """The job's checkpoint. Errors: `NotFound`, `InvalidArgument`, and those of `release_checkpoint`."""
        launch, kind = find_job(self, account, job), asked(request, "kind")
        if kind and kind not in _KINDS:
            raise InvalidArgument([Violation("kind", f"{kind[:60]!r} is no kind of checkpoint; use {_EITHER}.")])
        rows = Checkpoint.objects.filter(launch=launch, name=checkpoint, **({"kind": kind} if kind else {}))
        found = list(rows.select_related("launch__account", "launch__connection")) if "\0" not in checkpoint else []
        if not found:
            raise NotFound(f"There is no {launch.name}/checkpoints/{checkpoint[:80]}.")
        if len(found) > 1:
            raise InvalidArgument([Violation("kind", f"There are two of that name; say which, by {_EITHER}.")])
        return release_checkpoint(actor=self.actor, checkpoint=found[0])

    def model(self, account: str, model: str) -> Weights:
        """A model that the key's account made. Errors: `NotFound`, and those of `release_model`."""
        owner = self.own_account(account)
        found = find_trained([owner.pk], model_name(account, model))
        if found is None:
            raise NotFound(f"There is no {model_name(account, model)[:300]} that people made.")
        return release_model(actor=self.actor, model=found)


_KINDS = tuple(kind.value for kind in CheckpointKind)
_EITHER = " or ".join(_KINDS)


class DownloadModelView(WeightsView):
    """`:download`"""

    @extend_schema(operation_id="DownloadModel", parameters=[PATH], **DOWNLOAD)
    def get(self, request: Request, account: str, model: str) -> HttpResponseBase:
        """The model's files as one tar with its signed manifest beside them, or one of them."""
        return self.send(request, self.model(account, model))


class ModelLinksView(WeightsView):
    """`:getDownloadEndpoint`"""

    @extend_schema(operation_id="GetModelDownloadEndpoint", **LINKS)
    def get(self, request: Request, account: str, model: str) -> Response:  # noqa: ARG002
        """Links to its files, for whoever has them, and for some minutes."""
        return self.links(self.model(account, model))


class DownloadCheckpointView(WeightsView):
    """`:download`"""

    @extend_schema(operation_id="DownloadCheckpoint", parameters=[PATH, KIND], **DOWNLOAD)
    def get(self, request: Request, account: str, job: str, checkpoint: str) -> HttpResponseBase:
        """The checkpoint's files as one tar, or one of them."""
        return self.send(request, self.checkpoint(request, account, job, checkpoint))


class CheckpointLinksView(WeightsView):
    """`:getDownloadEndpoint`"""

    @extend_schema(operation_id="GetCheckpointDownloadEndpoint", parameters=[KIND], **LINKS)
    def get(self, request: Request, account: str, job: str, checkpoint: str) -> Response:
        """Links to its files, for whoever has them, and for some minutes."""
        return self.links(self.checkpoint(request, account, job, checkpoint))
