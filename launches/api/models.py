"""Models that people made: promoting a checkpoint, the operation that a client waits for, and writing to a model."""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.refusals import invalid
from api.schema import answers_nothing, answers_one
from api.views import ResourceView, asked, read_body, refuse_body
from catalog.api import views as reading
from catalog.api.resources import ModelSerializer
from catalog.domain.rename_trained_model import rename_trained_model
from catalog.models import TrainedModel
from catalog.states import ModelState
from catalog.trained_queries import trained_models
from launches.api.views import find_job
from launches.domain.delete_model import delete_model
from launches.domain.promote_checkpoint import promote_checkpoint
from wire.casing import camel
from wire.errors import FailedPrecondition, InvalidArgument, NotFound, Violation
from wire.names import account_name, is_id, parse_model_name
from wire.status import Code, status_body

FINISHED_SOON, PATIENCE = 2.0, 25.0
"""Seconds that an answer waits for the model: where the client polls, and where it does not."""
LOOK_SECONDS = 0.1
MOST_WAITING = 2
_waiting = threading.BoundedSemaphore(MOST_WAITING)
OPERATION = "promote-"
BASE, MERGED_BASE = "base", "merged_base"
"""What becomes of an adapter, in the words of the SDK's saves for sampling."""
_WIRE_NAMES = {"model_id": "outputModel", "display_name": "displayName", "base_model": "baseModel"}


class PromoteSerializer(serializers.Serializer[Any]):
    """What is promoted, and to what; its fields may be in snake case, as the SDK writes them."""

    outputModel = serializers.CharField(
        required=False, allow_blank=True, help_text="Resource name; one is made up where it is left out."
    )
    trainerJobId = serializers.CharField(help_text="Resource name of the job that saved the checkpoint.")
    baseModel = serializers.CharField(required=False, allow_blank=True, help_text="What the job trained.")
    displayName = serializers.CharField(required=False, allow_blank=True)
    checkpointType = serializers.ChoiceField(
        [BASE, MERGED_BASE],
        required=False,
        allow_blank=True,
        help_text=f"`{MERGED_BASE}` folds an adapter into its base model; else it is taken as it was saved.",
    )
    hotLoadDeploymentId = serializers.CharField(
        required=False, allow_blank=True, help_text="Without effect: what a job saved is its own."
    )
    asyncPromotion = serializers.BooleanField(required=False, help_text="Answer an operation that can be polled.")


class OperationSerializer(serializers.Serializer[TrainedModel]):
    """google.longrunning.Operation of a promotion."""

    name = serializers.CharField(read_only=True)
    metadata = serializers.DictField(read_only=True)
    done = serializers.BooleanField(read_only=True)
    error = serializers.DictField(read_only=True)
    response = ModelSerializer(read_only=True)

    def to_representation(self, model: TrainedModel) -> dict[str, Any]:
        """Done once the model is ready, or failed."""
        answer: dict[str, Any] = {
            "name": f"{account_name(model.account.account_id)}/operations/{OPERATION}{model.uid.hex}",
            "metadata": {"model": model.name, "statusMessage": _progress(model)},
            "done": model.state != ModelState.CREATING,
        }
        if model.state == ModelState.FAILED:
            answer["error"] = status_body(Code.FAILED_PRECONDITION, model.detail)
        if model.state == ModelState.READY:
            answer["response"] = ModelSerializer(model).data
        return answer


class PromotedSerializer(serializers.Serializer[Any]):
    """The operation where it was asked for, else the model as it stands."""

    operation = OperationSerializer(read_only=True)
    model = ModelSerializer(read_only=True)


class PromoteView(ResourceView):
    """`:promote`"""

    @extend_schema(
        operation_id="PromoteCheckpoint",
        request=PromoteSerializer,
        responses=answers_one("", PromotedSerializer, body=PromoteSerializer, conflicts=True)["responses"],
    )
    def post(self, request: Request, account: str, checkpoint: str) -> Response:
        """Make a model of what a job saved for sampling. The same again answers the same model.

        Where the model is made in a few seconds, the answer already has it.
        """
        owner = self.own_account(account)
        body = read_body(PromoteSerializer, _camel(request.data))
        parts = body["trainerJobId"].split("/")
        if parts[:3] != ["accounts", owner.account_id, "rlorTrainerJobs"] or len(parts) != 4:
            sentence = f"{body['trainerJobId'][:200]!r} is no job of {owner.account_id}."
            raise invalid("trainerJobId", f"{sentence} Use accounts/{owner.account_id}/rlorTrainerJobs/JOB.")
        launch = find_job(self, account, parts[3])
        try:
            model = promote_checkpoint(
                actor=self.actor,
                launch=launch,
                checkpoint=checkpoint,
                model_id=_model_id(owner.account_id, body.get("outputModel", "")),
                display_name=body.get("displayName", ""),
                base_model=body.get("baseModel", ""),
                merged=body.get("checkpointType") == MERGED_BASE,
            )
        except InvalidArgument as error:
            named = [Violation(_WIRE_NAMES.get(v.field, v.field), v.description) for v in error.violations]
            raise InvalidArgument(named) from None
        polled = body.get("asyncPromotion", False)
        model = _wait_for(model, FINISHED_SOON if polled else PATIENCE)
        if polled:
            return Response({"operation": OperationSerializer(model).data})
        if model.state == ModelState.FAILED:
            raise FailedPrecondition(model.detail)
        return Response({"model": ModelSerializer(model).data})


def _camel(data: Any) -> Any:
    """As the SDK's snake case is meant. Errors: `InvalidArgument` where a field is there in both."""
    if not isinstance(data, dict):
        return data
    twice = [name for name in data if name != camel(name) and camel(name) in data]
    if twice:
        raise InvalidArgument([Violation(name, f"It is there twice, also as {camel(name)}.") for name in twice])
    return {camel(name): value for name, value in data.items()}


def _model_id(account_id: str, name: str) -> str:
    """Of a resource name, or an id as it is; "" where one is to be made up. Errors: `InvalidArgument`."""
    if not name or "/" not in name:
        return name
    parsed = parse_model_name(name)
    if parsed is None or parsed[0] != account_id:
        raise invalid(
            "outputModel", f"{name[:200]!r} is no model of {account_id}. Use accounts/{account_id}/models/MODEL."
        )
    return parsed[1]


def _wait_for(model: TrainedModel, seconds: float) -> TrainedModel:
    """The model as it is when it is made, or the time is up; at once where enough others wait in this process.

    Who waits holds a connection to the database, of which there are few.
    """
    if not _waiting.acquire(blocking=False):
        return model
    try:
        return _watch(model, seconds)
    finally:
        _waiting.release()


def _watch(model: TrainedModel, seconds: float) -> TrainedModel:
    until = time.monotonic() + seconds
    while model.state == ModelState.CREATING and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
        model = TrainedModel.objects.select_related("account").filter(pk=model.pk).first() or model
    return model


def _progress(model: TrainedModel) -> str:
    if model.state != ModelState.CREATING:
        return ""
    copied = f"{model.copied_bytes:,} of {model.size_bytes:,} bytes copied"
    done = f"{copied}, to be merged into {model.base_model}" if model.merged_from else copied
    return f"{done}. {model.detail}" if model.detail else done


class OperationView(ResourceView):
    """One operation."""

    @extend_schema(**answers_one("GetOperation", OperationSerializer))
    def get(self, request: Request, account: str, operation: str) -> Response:  # noqa: ARG002
        """How far a promotion is; gone with its model."""
        self.own_account(account)
        found = None
        if operation.startswith(OPERATION) and is_id(operation):
            try:
                uid = uuid.UUID(operation.removeprefix(OPERATION))
                found = trained_models(self.mine).filter(uid=uid).first()
            except ValueError:
                found = None
        if found is None:
            raise NotFound(f"There is no {account_name(account)}/operations/{operation[:100]}.")
        return self.answer(OperationSerializer, found)


class WritableModelView(reading.ModelView):
    """One model, as its account changes it."""

    takes: ClassVar = {"PATCH": ("updateMask",)}

    @extend_schema(
        **answers_one(
            "UpdateModel",
            ModelSerializer,
            body=ModelSerializer,
            parameters=[OpenApiParameter("updateMask", str, description="Only `displayName` can be taken.")],
        )
    )
    def patch(self, request: Request, account: str, model: str) -> Response:
        """Give it another display name; its id stays."""
        found = _own(self, account, model)
        body = read_body(ModelSerializer, _camel(request.data))
        if asked(request, "updateMask") not in ("", "displayName", "display_name"):
            raise invalid("updateMask", "Only displayName of a model can be set.")
        if "displayName" not in body:
            raise invalid("displayName", "It is missing, and nothing else of a model can be set.")
        try:
            renamed = rename_trained_model(actor=self.actor, model=found, display_name=body["displayName"])
        except InvalidArgument as error:
            raise invalid("displayName", error.violations[0].description) from None
        return self.answer(ModelSerializer, renamed)

    @extend_schema(**answers_nothing("DeleteModel"))
    def delete(self, request: Request, account: str, model: str) -> Response:
        """Delete it with its files, unless a job that is not over trains it; its id is free then."""
        refuse_body(request)
        delete_model(actor=self.actor, model=_own(self, account, model))
        return Response({})


def _own(view: ResourceView, account: str, model: str) -> TrainedModel:
    """Errors: `NotFound`; `FailedPrecondition` for a base model."""
    found = reading.find_any_model(view, account, model)
    if not isinstance(found, TrainedModel):
        raise FailedPrecondition(f"{found.name} is a base model of the catalog, which a catalog file changes.")
    return found
