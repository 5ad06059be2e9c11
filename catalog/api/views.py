"""Reading base models, shapes, versions and deployment shapes. `-` stands for every account, and for every shape."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from django.db.models import Case, Q, QuerySet, When
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from api.listing import answer_list
from api.schema import answers_list, answers_one
from api.views import WILDCARD, ResourceView
from catalog.api.lists import MODELS, SHAPES, TRAINED, VERSIONS, models_found, with_wire_columns
from catalog.api.resources import (
    DeploymentShapeVersionSerializer,
    ModelSerializer,
    ShapeVersionSerializer,
    TrainingShapeSerializer,
)
from catalog.models import BaseModel, ShapeVersion, TrainedModel
from catalog.queries import find_model, listed, may_see, visible_models
from catalog.trained_queries import find_trained, trained_models
from wire.errors import NotFound
from wire.names import LATEST, is_id, is_version_id, model_name, shape_name, version_name

_RELATED = ("shape__account", "shape__base_model__account")


def shown(view: ResourceView) -> Q:
    """Versions that the API shows the caller: all of its account; of others those that are public and validated.

    A page shows a withdrawn version to whoever launched from it; on the wire it is not validated any more.
    """
    return may_see(view.mine) & (Q(withdrawn_at__isnull=True) | Q(shape__account__in=view.mine))


def versions_in(view: ResourceView, account: str, shape: str) -> QuerySet[ShapeVersion]:
    """The versions that the caller may see of the shape, or of all of them."""
    rows = ShapeVersion.objects.filter(shown(view)).select_related(*_RELATED)
    return rows.filter(_within(account, shape))


def _within(account: str, shape: str) -> Q:
    wanted = Q() if account == WILDCARD else Q(shape__account__account_id=_id(account, "account"))
    return wanted if shape == WILDCARD else wanted & Q(shape__shape_id=_id(shape, "shape"))


def _id(text: str, what: str) -> str:
    if not is_id(text):
        raise NotFound(f"There is no {what} {text[:80]!r}.")
    return text


def version_named(view: ResourceView, account: str, shape: str, version: str) -> ShapeVersion:
    """The version; `latest` is the latest validated one. Errors: `NotFound`."""
    rows = versions_in(view, account, shape)
    wanted = Q(is_latest_validated=True) if version == LATEST else Q(version_id=version)
    known = version == LATEST or is_version_id(version)
    found = rows.filter(wanted).first() if known and WILDCARD not in (account, shape) else None
    if found is None:
        raise NotFound(f"There is no {version_name(account, shape, version)[:300]} that this API key may see.")
    return found


def find_shape(view: ResourceView, account: str, shape: str) -> ShapeVersion:
    """The version that stands for the shape: the latest validated one, else the newest. Errors: `NotFound`."""
    rows = versions_in(view, account, shape) if WILDCARD not in (account, shape) else ShapeVersion.objects.none()
    found = rows.order_by("-is_latest_validated", "-created_at", "-pk").first()
    if found is None:
        raise NotFound(f"There is no {shape_name(account, shape)[:300]} that this API key may see.")
    return found


class TrainingShapesView(ResourceView):
    """Shapes by the latest validated version; drafts are found by name."""

    @extend_schema(**answers_list(SHAPES))
    def get(self, request: Request, account: str) -> Response:  # noqa: ARG002
        """List the shapes of an account, or (`-`) of all."""
        rows = with_wire_columns(listed(self.mine).filter(_within(account, WILDCARD)))
        return answer_list(self, rows.select_related(*_RELATED), SHAPES)


class TrainingShapeView(ResourceView):
    """One shape."""

    @extend_schema(**answers_one("GetTrainingShape", TrainingShapeSerializer))
    def get(self, request: Request, account: str, shape: str) -> Response:  # noqa: ARG002
        """What its latest validated version says, else its newest."""
        return self.answer(TrainingShapeSerializer, find_shape(self, account, shape))


class ShapeVersionsView(ResourceView):
    """Versions of a shape, or of all."""

    @extend_schema(**answers_list(VERSIONS))
    def get(self, request: Request, account: str, shape: str) -> Response:  # noqa: ARG002
        """List the versions; account and shape may be `-`."""
        if WILDCARD not in (account, shape):
            find_shape(self, account, shape)
        return answer_list(self, with_wire_columns(versions_in(self, account, shape)), VERSIONS)


class ShapeVersionView(ResourceView):
    """One version."""

    @extend_schema(**answers_one("GetTrainingShapeVersion", ShapeVersionSerializer))
    def get(self, request: Request, account: str, shape: str, version: str) -> Response:  # noqa: ARG002
        """The version of that id, or `latest`."""
        return self.answer(ShapeVersionSerializer, version_named(self, account, shape, version))


class ModelsView(ResourceView):
    """Base models, and the models that people made of checkpoints."""

    @extend_schema(**answers_list(MODELS))
    def get(self, request: Request, account: str) -> Response:  # noqa: ARG002
        """List the models of an account, or (`-`) of all: base models first, then those that the key's account made."""
        rows, made = visible_models(self.mine), trained_models(self.mine)
        if account != WILDCARD:
            rows = rows.filter(account__account_id=_id(account, "account"))
            made = made if account == self.key.account.account_id else made.none()
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


class DeploymentShapeVersionView(ResourceView):
    """The samplers' shapes that training shapes link; read-only, known by those links alone."""

    @extend_schema(**answers_one("GetDeploymentShapeVersion", DeploymentShapeVersionSerializer))
    def get(self, request: Request, account: str, shape: str, version: str) -> Response:  # noqa: ARG002
        """What the newest training shape says of it, of the account named where one of its own links it."""
        name = f"accounts/{account}/deploymentShapes/{shape}/versions/{version}"
        rows = ShapeVersion.objects.filter(shown(self), snapshot__deploymentShapeVersion=name)
        # whose deployment shape it is knows it best
        rows = rows.annotate(own=Case(When(shape__account__account_id=account, then=True), default=False))
        found = rows.order_by("-own", "-created_at", "-pk").first() if "\0" not in name else None
        if found is None:
            raise NotFound(f"There is no {name[:300]} that a training shape links which this API key may see.")
        snapshot = found.frozen_snapshot
        body = {
            "name": name,
            "baseModel": snapshot.base_model,
            "deploymentImageTag": snapshot.deployment_image_tag or "",
        }
        return self.answer(DeploymentShapeVersionSerializer, body)
