"""Reading base models, shapes, versions and deployment shapes. `-` stands for every account, and for every shape."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from django.db.models import Case, Q, QuerySet, When
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from api.listing import answer_list
from api.schema import answers_list, answers_one
from api.views import WILDCARD, ResourceView
from catalog.api.listed import COLUMNS, STORED
from catalog.api.lists import (
    DEPLOYMENT_SHAPES,
    DEPLOYMENT_VERSIONS,
    MODELS,
    SHAPES,
    TRAINED,
    VERSIONS,
    models_found,
)
from catalog.api.resources import (
    ModelSerializer,
    ShapeVersionSerializer,
    TrainingShapeSerializer,
)
from catalog.enums import ShapeKind
from catalog.model_queries import find_model, visible_models
from catalog.models import BaseModel, ShapeVersion, TrainedModel
from catalog.revision import sum_of_changes
from catalog.trained_queries import find_trained, trained_models
from catalog.visibility import listed, may_see, of_kind
from wire.errors import NotFound
from wire.names import LATEST, is_id, is_version_id, model_name, shape_name, version_name

SHAPE_LISTS = {ShapeKind.TRAINING: SHAPES, ShapeKind.DEPLOYMENT: DEPLOYMENT_SHAPES}
VERSION_LISTS = {ShapeKind.TRAINING: VERSIONS, ShapeKind.DEPLOYMENT: DEPLOYMENT_VERSIONS}
_RELATED = ("shape__account", "shape__base_model__account")


def shown(view: ResourceView) -> Q:
    """Versions that the API shows the caller: all of its account; of others those that are public and validated.

    A page shows a withdrawn version to whoever launched from it; on the wire it is not validated any more.
    """
    return may_see(view.mine) & (Q(withdrawn_at__isnull=True) | Q(shape__account__in=view.mine))


class ShapeResourceView(ResourceView):
    """A view of the shapes of one kind."""

    kind: ClassVar = ShapeKind.TRAINING

    @property
    def shape_serializer(self) -> type[TrainingShapeSerializer]:
        """How a shape is written."""
        return SHAPE_LISTS[self.kind].serializer  # type: ignore[return-value]

    @property
    def version_serializer(self) -> type[ShapeVersionSerializer]:
        """How a version is written."""
        return VERSION_LISTS[self.kind].serializer  # type: ignore[return-value]

    def versions_in(self, account: str, shape: str) -> QuerySet[ShapeVersion]:
        """The versions that the caller may see of the shape, or of all of them."""
        rows = ShapeVersion.objects.filter(shown(self), of_kind(self.kind)).select_related(*_RELATED)
        return rows.filter(_within(account, shape))

    def version_named(self, account: str, shape: str, version: str) -> ShapeVersion:
        """The version; `latest` is the latest validated one. Errors: `NotFound`."""
        rows = self.versions_in(account, shape)
        wanted = Q(is_latest_validated=True) if version == LATEST else Q(version_id=version)
        known = version == LATEST or is_version_id(version)
        found = rows.filter(wanted).first() if known and WILDCARD not in (account, shape) else None
        if found is None:
            name = version_name(account, shape, version, self.kind.collection)
            raise NotFound(f"There is no {name[:300]} that this API key may see.")
        return found

    def find_shape(self, account: str, shape: str) -> ShapeVersion:
        """The version that stands for the shape: the latest validated one, else the newest. Errors: `NotFound`."""
        rows = self.versions_in(account, shape) if WILDCARD not in (account, shape) else ShapeVersion.objects.none()
        found = rows.order_by("-is_latest_validated", "-created_at", "-pk").first()
        if found is None:
            name = shape_name(account, shape, self.kind.collection)
            raise NotFound(f"There is no {name[:300]} that this API key may see.")
        return found


def _as_listed(rows: QuerySet[ShapeVersion]) -> QuerySet[Any]:
    """The rows with what their list needs of them, and no more."""
    read: QuerySet[Any] = rows.select_related(None).values(*COLUMNS, stored=STORED)
    return read


def _within(account: str, shape: str) -> Q:
    wanted = Q() if account == WILDCARD else Q(shape__account__account_id=_id(account, "account"))
    return wanted if shape == WILDCARD else wanted & Q(shape__shape_id=_id(shape, "shape"))


def _id(text: str, what: str) -> str:
    if not is_id(text):
        raise NotFound(f"There is no {what} {text[:80]!r}.")
    return text


class KeptListView(ShapeResourceView):
    """A list whose answers are kept for as long as the catalog is the same."""

    beside_key = staticmethod(sum_of_changes)

    @property
    def revision(self) -> str:
        """Of the catalog, as read with the key; "" where nothing says it."""
        return str(getattr(self.key, "beside", None) or "")


class TrainingShapesView(KeptListView):
    """Shapes by the latest validated version; drafts are found by name."""

    @extend_schema(**answers_list(SHAPES))
    def get(self, request: Request, account: str) -> HttpResponse:  # noqa: ARG002
        """List the shapes of an account, or (`-`) of all."""

        def rows() -> QuerySet[Any]:
            return _as_listed(listed(self.mine, self.kind).filter(_within(account, WILDCARD)))

        return answer_list(self, rows, SHAPE_LISTS[self.kind], revision=self.revision)


class TrainingShapeView(ShapeResourceView):
    """One shape."""

    @extend_schema(**answers_one("GetTrainingShape", TrainingShapeSerializer))
    def get(self, request: Request, account: str, shape: str) -> Response:  # noqa: ARG002
        """What its latest validated version says, else its newest."""
        return self.answer(self.shape_serializer, self.find_shape(account, shape))


class ShapeVersionsView(KeptListView):
    """Versions of a shape, or of all."""

    @extend_schema(**answers_list(VERSIONS))
    def get(self, request: Request, account: str, shape: str) -> HttpResponse:  # noqa: ARG002
        """List the versions; account and shape may be `-`."""
        if WILDCARD not in (account, shape):
            self.find_shape(account, shape)

        def rows() -> QuerySet[Any]:
            return _as_listed(self.versions_in(account, shape))

        return answer_list(self, rows, VERSION_LISTS[self.kind], revision=self.revision)


class ShapeVersionView(ShapeResourceView):
    """One version."""

    @extend_schema(**answers_one("GetTrainingShapeVersion", ShapeVersionSerializer))
    def get(self, request: Request, account: str, shape: str, version: str) -> Response:  # noqa: ARG002
        """The version of that id, or `latest`."""
        return self.answer(self.version_serializer, self.version_named(account, shape, version))


class ModelsView(ResourceView):
    """Base models, and the models that people made of checkpoints."""

    @extend_schema(**answers_list(MODELS))
    def get(self, request: Request, account: str) -> HttpResponse:  # noqa: ARG002
        """List the models of an account, or (`-`) of all: base models first, then those that the key's account made."""
        whose = None if account == WILDCARD else _id(account, "account")

        def rows() -> QuerySet[Any]:
            # their accounts are not joined, which would lead Postgres to read all of each
            found = visible_models(self.mine).select_related(None)
            return found if whose is None else found.filter(account_slug=whose)

        def made() -> QuerySet[Any]:
            found = trained_models(self.mine)
            return found if whose in (None, self.key.account.account_id) else found.none()

        return answer_list(self, rows, replace(MODELS, search=partial(models_found, self.mine)), (made, TRAINED))


def find_any_model(view: ResourceView, account: str, model: str) -> BaseModel | TrainedModel:
    """The base model of that name, or the one that was made under it. Errors: `NotFound`."""
    name = model_name(account, model)
    found = find_model(view.mine, name) or find_trained(view.mine, name)
    if found is None:
        raise NotFound(f"There is no {name[:300]} that this API key may see.")
    return found


class ModelView(ResourceView):
    """One model."""

    @extend_schema(**answers_one("GetModel", ModelSerializer))
    def get(self, request: Request, account: str, model: str) -> Response:  # noqa: ARG002
        """What is known of it."""
        return self.answer(ModelSerializer, find_any_model(self, account, model))


class DeploymentShapeVersionView(ShapeVersionView):
    """One version of a deployment shape; read, too, where training shapes link it and nobody here has it."""

    kind: ClassVar = ShapeKind.DEPLOYMENT

    def version_named(self, account: str, shape: str, version: str) -> ShapeVersion:
        """The version; else that of the training shape which tells of it. Errors: `NotFound`."""
        try:
            return super().version_named(account, shape, version)
        except NotFound:
            if linking := self._linking(account, version_name(account, shape, version, self.kind.collection)):
                return linking
            raise

    def _linking(self, account: str, name: str) -> ShapeVersion | None:
        """The newest training shape that links it, of the account named where one of its own does."""
        if self.request.method != "GET" or "\0" in name:
            return None
        rows = ShapeVersion.objects.filter(shown(self), snapshot__deploymentShapeVersion=name)
        # whose deployment shape it is knows it best
        rows = rows.annotate(own=Case(When(shape__account__account_id=account, then=True), default=False))
        return rows.order_by("-own", "-created_at", "-pk").first()
