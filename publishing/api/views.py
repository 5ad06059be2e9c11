"""Training shapes and their versions: what `catalog.api` reads, and the writes, each by a publishing verb."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from accounts.models import Account
from api.masks import fields_of
from api.refusals import invalid
from api.schema import answers_nothing, answers_one
from api.views import ResourceView, asked, read_body
from catalog.api import views as reading
from catalog.api.resources import ShapeVersionSerializer, TrainingShapeSerializer
from catalog.domain.create_draft import create_draft
from catalog.domain.create_shape import create_shape
from catalog.domain.delete_shape import delete_shape
from catalog.domain.publish_version import publish_version
from catalog.domain.withdraw_version import withdraw_version
from catalog.fields.launch_fields import common_fields
from catalog.models import BaseModel, ShapeVersion
from catalog.queries import find_model
from catalog.rights import require_publisher
from catalog.states import VersionState
from publishing.api.bodies import changed_snapshot, new_snapshot, refuse_missing
from publishing.domain.validate_by_hand import validate_by_hand
from wire.casing import camel
from wire.errors import FailedPrecondition, InvalidArgument, Violation
from wire.masks import MaskError, apply_mask, parse_mask
from wire.names import MODEL_FORM, refuse_name, shape_name

UPDATE_MASK = OpenApiParameter("updateMask", str, description="Fields of the body to take; all of them by default.")
BY_API = "Set through the API."


class WritableTrainingShapesView(reading.TrainingShapesView):
    """Shapes of an account."""

    takes: ClassVar = {"POST": ("trainingShapeId",)}

    @extend_schema(
        **answers_one(
            "CreateTrainingShape",
            TrainingShapeSerializer,
            body=TrainingShapeSerializer,
            conflicts=True,
            parameters=[OpenApiParameter("trainingShapeId", str, required=True, description="The new shape's id.")],
        )
    )
    def post(self, request: Request, account: str) -> Response:
        """Create a shape with a first version, which is a draft until it is validated and published."""
        owner = _published_account(self, account)
        body = read_body(TrainingShapeSerializer, request.data)
        shape_id = asked(request, "trainingShapeId")
        refuse_missing(body)
        model = _model(self.mine, body["baseModel"])
        known = {"modelType": model.model_type or "", "parameterCount": model.parameter_count or 0}
        snapshot = new_snapshot(shape_name(account, shape_id), known | body)
        with transaction.atomic(), _wire_fields():
            shape = create_shape(
                actor=self.actor,
                account=owner,
                base_model=model,
                shape_id=shape_id,
                display_name=snapshot.display_name[:63],
            )
            fields = common_fields(snapshot.trainer_mode)
            create_draft(actor=self.actor, shape=shape, snapshot=snapshot, launch_fields=fields)
        return self.answer(TrainingShapeSerializer, reading.find_shape(self, account, shape_id))


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
        body = _masked(self, TrainingShapeSerializer)
        head = reading.find_shape(self, account, shape)
        snapshot = changed_snapshot(head.frozen_snapshot, body)
        same_mode = snapshot.trainer_mode is head.frozen_snapshot.trainer_mode
        with _wire_fields():
            draft = create_draft(
                actor=self.actor,
                shape=head.shape,
                snapshot=snapshot,
                launch_fields=head.renewed_fields if same_mode else common_fields(snapshot.trainer_mode),
                based_on=head,
            )
        return self.answer(TrainingShapeSerializer, draft)

    @extend_schema(**answers_nothing("DeleteTrainingShape"))
    def delete(self, request: Request, account: str, shape: str) -> Response:  # noqa: ARG002
        """Delete the shape with all of its versions, where no launch refers to them."""
        _published_account(self, account)
        delete_shape(actor=self.actor, shape=reading.find_shape(self, account, shape).shape)
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
        body = _masked(self, ShapeVersionSerializer)
        found = reading.version_named(self, account, shape, version)
        with transaction.atomic(), _wire_fields():
            if "validated" in body:
                self._set_validated(found, body["validated"])
            if "public" in body:
                self._set_public(found, body["public"])
        return self.answer(ShapeVersionSerializer, reading.version_named(self, account, shape, found.version_id))

    def _set_validated(self, version: ShapeVersion, wanted: bool) -> None:
        validated = version.state == VersionState.VALIDATED and version.withdrawn_at is None
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


def _masked(view: ResourceView, serializer: type[Serializer[Any]]) -> dict[str, Any]:
    """What the body says of the fields that `updateMask` names; of all of them where it names none."""
    body = read_body(serializer, view.request.data)
    try:
        paths = parse_mask(asked(view.request, "updateMask"), fields_of(serializer))
    except MaskError as error:
        raise invalid("updateMask", str(error)) from None
    if absent := sorted(".".join(path) for path in paths if not _stands_in(body, path)):
        named = ", ".join(absent)[:80]
        raise invalid("updateMask", f"{named} is not in the body, or cannot be set. Send a value, or leave it out.")
    return apply_mask(body, paths)


def _stands_in(body: Any, path: tuple[str, ...]) -> bool:
    return not path or (isinstance(body, dict) and path[0] in body and _stands_in(body[path[0]], path[1:]))


@contextmanager
def _wire_fields() -> Iterator[None]:
    """Name the fields of a refusal as the request does."""
    try:
        yield
    except InvalidArgument as error:
        named = [Violation(_wire_name(v.field), v.description) for v in error.violations]
        raise InvalidArgument(named) from None


def _wire_name(field: str) -> str:
    return "trainingShapeId" if field == "shape_id" else ".".join(camel(part) for part in field.split("."))
