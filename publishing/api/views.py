"""Shapes of both kinds and their versions: what `catalog.api` reads, and the writes, each by a publishing verb."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Account
from api.refusals import invalid
from api.schema import answers_list, answers_nothing, answers_one
from api.views import UPDATE_MASK, ResourceView, asked, read_body, read_masked_body
from catalog.api import views as reading
from catalog.api.lists import DEPLOYMENT_SHAPES, DEPLOYMENT_VERSIONS
from catalog.api.resources import (
    DeploymentShapeSerializer,
    DeploymentShapeVersionSerializer,
    ShapeVersionSerializer,
    TrainingShapeSerializer,
)
from catalog.domain.create_draft import create_draft
from catalog.domain.create_shape import create_shape
from catalog.domain.delete_shape import delete_shape
from catalog.domain.publish_version import publish_version
from catalog.domain.withdraw_version import withdraw_version
from catalog.enums import ShapeKind
from catalog.model_queries import find_model
from catalog.models import BaseModel, ShapeVersion
from catalog.rights import require_publisher
from publishing.api.bodies import WIRE_NAME, changed_snapshot, narrowed_fields, new_snapshot, refuse_missing
from publishing.domain.validate_by_hand import validate_by_hand
from wire.casing import camel
from wire.errors import FailedPrecondition, InvalidArgument, Violation
from wire.names import MODEL_FORM, refuse_name, shape_name

BY_API = "Set through the API."
ID_PARAMETERS = {ShapeKind.TRAINING: "trainingShapeId", ShapeKind.DEPLOYMENT: "deploymentShapeId"}


def _creates(operation: str, serializer: type[TrainingShapeSerializer]) -> dict[str, Any]:
    """For a method that creates a shape."""
    name = OpenApiParameter(ID_PARAMETERS[serializer.kind], str, required=True, description="The new shape's id.")
    return answers_one(operation, serializer, body=serializer, conflicts=True, parameters=[name])


class CreatesShapes(reading.TrainingShapesView):
    """Shapes of an account, which can be more."""

    def post(self, request: Request, account: str) -> Response:
        """Create a shape with a first version, which is a draft until it is validated and published."""
        owner = _published_account(self, account)
        body = read_body(self.shape_serializer, request.data)
        shape_id = asked(request, ID_PARAMETERS[self.kind])
        refuse_missing(body, self.kind)
        model = _model(self.mine, body["baseModel"])
        known = {"modelType": model.model_type or "", "parameterCount": model.parameter_count or 0}
        snapshot = new_snapshot(shape_name(account, shape_id, self.kind.collection), known | body, self.kind)
        fields, wrong = narrowed_fields(snapshot.trainer_mode, body.get(WIRE_NAME, {}))
        with transaction.atomic(), _wire_fields(self.kind, wrong):
            shape = create_shape(
                actor=self.actor,
                account=owner,
                base_model=model,
                shape_id=shape_id,
                display_name=snapshot.display_name[:63],
                kind=self.kind,
            )
            create_draft(actor=self.actor, shape=shape, snapshot=snapshot, launch_fields=fields)
        return self.answer(self.shape_serializer, self.find_shape(account, shape_id))


@extend_schema_view(post=extend_schema(**_creates("CreateTrainingShape", TrainingShapeSerializer)))
class WritableTrainingShapesView(CreatesShapes):
    """Training shapes of an account."""

    takes: ClassVar = {"POST": ("trainingShapeId",)}


class WritableTrainingShapeView(reading.TrainingShapeView):
    """One shape."""

    takes: ClassVar = {"PATCH": ("updateMask",)}

    @extend_schema(
        **answers_one(
            "UpdateTrainingShape", TrainingShapeSerializer, body=TrainingShapeSerializer, parameters=[UPDATE_MASK]
        )
    )
    def patch(self, request: Request, account: str, shape: str) -> Response:  # noqa: ARG002
        """Make a new version, a draft, from the latest one and what the body says."""
        _published_account(self, account)
        body = read_masked_body(self, self.shape_serializer)
        head = self.find_shape(account, shape)
        snapshot = changed_snapshot(head.frozen_snapshot, body)
        fields, wrong = narrowed_fields(snapshot.trainer_mode, body.get(WIRE_NAME, {}))
        if WIRE_NAME not in body and snapshot.trainer_mode is head.frozen_snapshot.trainer_mode:
            fields = tuple(head.renewed_fields)
        with transaction.atomic(), _wire_fields(self.kind, wrong):
            draft = create_draft(
                actor=self.actor,
                shape=head.shape,
                snapshot=snapshot,
                launch_fields=fields,
                based_on=head,
            )
        return self.answer(self.shape_serializer, draft)

    @extend_schema(**answers_nothing("DeleteTrainingShape"))
    def delete(self, request: Request, account: str, shape: str) -> Response:  # noqa: ARG002
        """Delete the shape with all of its versions, where no launch refers to them."""
        _published_account(self, account)
        delete_shape(actor=self.actor, shape=self.find_shape(account, shape).shape)
        return Response({})


class WritableShapeVersionView(reading.ShapeVersionView):
    """One version."""

    takes: ClassVar = {"PATCH": ("updateMask",)}

    @extend_schema(
        **answers_one(
            "UpdateTrainingShapeVersion",
            ShapeVersionSerializer,
            body=ShapeVersionSerializer,
            parameters=[UPDATE_MASK],
            conflicts=True,
        )
    )
    def patch(self, request: Request, account: str, shape: str, version: str) -> Response:  # noqa: ARG002
        """`validated: true` vouches for it by hand, `public: true` publishes it; `validated: false` withdraws it."""
        _published_account(self, account)
        body = read_masked_body(self, self.version_serializer)
        found = self.version_named(account, shape, version)
        with transaction.atomic(), _wire_fields(self.kind):
            if "validated" in body:
                self._set_validated(found, body["validated"])
            if "public" in body:
                self._set_public(found, body["public"])
        return self.answer(self.version_serializer, self.version_named(account, shape, found.version_id))

    def _set_validated(self, version: ShapeVersion, wanted: bool) -> None:
        validated = version.is_offered
        if wanted and version.withdrawn_at is not None:
            raise FailedPrecondition(f"{version.name} was withdrawn for good. Base a new version on it.")
        if wanted and not validated:
            # every reader of the shape's page sees the reason; which key it was stands in the audit log
            validate_by_hand(actor=self.actor, version=version, reason=BY_API, now=timezone.now())
        elif validated and not wanted:
            withdraw_version(actor=self.actor, version=version, reason=BY_API)

    def _set_public(self, version: ShapeVersion, wanted: bool) -> None:
        if wanted and not version.is_public:
            publish_version(actor=self.actor, version=version, public=True, expected_latest=None)
        elif version.is_public and not wanted:
            raise FailedPrecondition(
                f"{version.name} is public, and others may have pinned it. Withdraw it (validated: false) instead."
            )


def _of_deployments(operation: str, *, taken: bool = True) -> dict[str, Any]:
    """For a method that answers a deployment shape."""
    body = DeploymentShapeSerializer if taken else None
    return answers_one(operation, DeploymentShapeSerializer, body=body, parameters=[UPDATE_MASK] if taken else [])


@extend_schema_view(
    get=extend_schema(**answers_list(DEPLOYMENT_SHAPES)),
    post=extend_schema(**_creates("CreateDeploymentShape", DeploymentShapeSerializer)),
)
class DeploymentShapesView(CreatesShapes):
    """Deployment shapes of an account."""

    kind: ClassVar = ShapeKind.DEPLOYMENT
    takes: ClassVar = {"POST": ("deploymentShapeId",)}


@extend_schema_view(
    get=extend_schema(**_of_deployments("GetDeploymentShape", taken=False)),
    patch=extend_schema(**_of_deployments("UpdateDeploymentShape")),
    delete=extend_schema(**answers_nothing("DeleteDeploymentShape")),
)
class DeploymentShapeView(WritableTrainingShapeView):
    """One deployment shape."""

    kind: ClassVar = ShapeKind.DEPLOYMENT


@extend_schema_view(get=extend_schema(**answers_list(DEPLOYMENT_VERSIONS)))
class DeploymentShapeVersionsView(reading.ShapeVersionsView):
    """Versions of a deployment shape, or of all."""

    kind: ClassVar = ShapeKind.DEPLOYMENT


@extend_schema_view(
    get=extend_schema(**answers_one("GetDeploymentShapeVersion", DeploymentShapeVersionSerializer)),
    patch=extend_schema(
        **answers_one(
            "UpdateDeploymentShapeVersion",
            DeploymentShapeVersionSerializer,
            body=DeploymentShapeVersionSerializer,
            parameters=[UPDATE_MASK],
            conflicts=True,
        )
    ),
)
class WritableDeploymentVersionView(reading.DeploymentShapeVersionView, WritableShapeVersionView):
    """One version of a deployment shape."""


def _published_account(view: ResourceView, account_id: str) -> Account:
    """The key's account, in which it may publish, whatever the request says. Errors: `NotFound`, `PermissionDenied`."""
    owner = view.own_account(account_id)
    require_publisher(view.actor, owner)
    return owner


def _model(mine: list[int], name: str) -> BaseModel:
    found = find_model(mine, name)
    if found is None:
        wrong = refuse_name(name, MODEL_FORM)
        sentence = f"There is no base model {name[:80]!r} that this API key may see. Use another one."
        raise invalid("baseModel", f"{sentence} {wrong}." if wrong else sentence)
    return found


@contextmanager
def _wire_fields(kind: ShapeKind, wrong: Sequence[Violation] = ()) -> Iterator[None]:
    """Name the fields of a refusal as the request does, and refuse with them what was found `wrong` before."""
    try:
        yield
    except InvalidArgument as error:
        named = [Violation(_wire_name(v.field, kind), v.description) for v in error.violations]
        raise InvalidArgument([*named, *wrong]) from None
    if wrong:
        raise InvalidArgument(list(wrong))


def _wire_name(field: str, kind: ShapeKind) -> str:
    return ID_PARAMETERS[kind] if field == "shape_id" else ".".join(camel(part) for part in field.split("."))
