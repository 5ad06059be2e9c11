"""Base models, training shapes, versions and deployment shapes as the wire writes them.

A fact that nobody knows is UNSPECIFIED, "", 0, or null for the sharding scheme; int64 are strings; times are RFC 3339.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from api.fields import Int64Field, WholeField
from catalog.api.listed import MOST_READ, ListedVersion
from catalog.enums import Architecture, ShapeKind
from catalog.fields.narrowing import changes_of
from catalog.fields.snapshot_fields import FIELDS_OF, SCHEME_FIELDS, SnapshotField, ValueKind
from catalog.fields.snapshots import ADDED, Snapshot
from catalog.models import BaseModel, ShapeVersion, TrainedModel
from catalog.states import ModelKind, ModelState
from connections.providers.spec import ShardingScheme
from wire.casing import camel_keys
from wire.names import model_name
from wire.order import in_order
from wire.status import Code
from wire.times import rfc3339

KIND_ON_WIRE = {ModelKind.FULL: "HF_BASE_MODEL", ModelKind.ADAPTER: "HF_PEFT_ADDON"}
STATE_ON_WIRE = {ModelState.CREATING: "UPLOADING", ModelState.READY: "READY", ModelState.FAILED: "FAILED"}
MODEL_KINDS, MODEL_STATES = tuple(KIND_ON_WIRE.values()), tuple(STATE_ON_WIRE.values())
_OWNED = {kind: [field for field in fields if field.head == field.key] for kind, fields in FIELDS_OF.items()}
_FIRST = (
    *("name", "displayName", "description", "baseModel", "modelType", "parameterCount", "trainerMode"),
    *("acceleratorType", "acceleratorCount", "nodeCount", "minTotalAcceleratorCount", "trainerShardingScheme"),
    *("baseModelWeightPrecision", "maxSupportedContextLength"),
)
"""What an answer says first; all else of the table follows."""


def _input(field: SnapshotField) -> Any:
    """How a request writes the field."""
    if field.kind is ValueKind.FLAG:
        return serializers.BooleanField(required=False)
    if field.kind is ValueKind.CHOICE:
        return serializers.ChoiceField((field.unspecified, *field.choices), required=False)
    if field.kind is ValueKind.TEXT:
        return serializers.CharField(required=False, allow_blank=field.optional, help_text=field.note or None)
    if _is_int64(field):
        return Int64Field(required=False, min_value=0, max_value=field.maximum, help_text=field.note)
    return WholeField(required=False, help_text=field.note or None)


def _is_int64(field: SnapshotField) -> bool:
    return field.kind is ValueKind.WHOLE and (field.maximum or 0) >= 2**31


class ShardingSchemeSerializer(serializers.Serializer[ShardingScheme]):
    """Degrees of parallelism of one replica."""

    def get_fields(self) -> dict[str, Any]:
        """As the table of what a shape owns has them."""
        return {field.wire.partition(".")[2]: _input(field) for field in SCHEME_FIELDS}


class TrainingShapeSerializer(serializers.Serializer[ShapeVersion]):
    """A training shape, or the snapshot of a version of one."""

    kind: ClassVar = ShapeKind.TRAINING

    name = serializers.CharField(read_only=True)
    minTotalAcceleratorCount = serializers.IntegerField(read_only=True, help_text="GPUs of one replica")
    trainerShardingScheme = ShardingSchemeSerializer(required=False, allow_null=True)
    launchFields = serializers.DictField(
        child=serializers.DictField(allow_null=True),
        required=False,
        help_text="what users may set, narrowed, as a catalog file says it: by name null or a default, limits, choices",
    )
    createTime = serializers.DateTimeField(read_only=True)
    updateTime = serializers.DateTimeField(read_only=True)

    def get_fields(self) -> dict[str, Any]:
        """With all of the table of what a shape owns."""
        return in_order({field.wire: _input(field) for field in _OWNED[self.kind]} | super().get_fields(), _FIRST)

    def to_representation(self, version: ShapeVersion | ListedVersion) -> dict[str, Any]:
        """The version's snapshot, with the times of its shape and of itself."""
        return {
            **snapshot_json(version.frozen_snapshot),
            **_narrowed(version),
            "createTime": rfc3339(version.shape.created_at),
            "updateTime": rfc3339(version.updated_at),
        }


class DeploymentShapeSerializer(TrainingShapeSerializer):
    """A deployment shape, or the snapshot of a version of one."""

    kind: ClassVar = ShapeKind.DEPLOYMENT

    trainerShardingScheme = None  # type: ignore[assignment]  # how a field is left out
    launchFields = None  # type: ignore[assignment]


@extend_schema_serializer(component_name="TrainingShapeVersion")
class ShapeVersionSerializer(serializers.Serializer[ShapeVersion]):
    """A version of a shape. Of its fields only `validated` and `public` can be patched."""

    name = serializers.CharField(read_only=True)
    createTime = serializers.DateTimeField(read_only=True)
    updateTime = serializers.DateTimeField(read_only=True)
    snapshot = TrainingShapeSerializer(read_only=True)
    validated = serializers.BooleanField(required=False)
    public = serializers.BooleanField(required=False)
    latestValidated = serializers.BooleanField(read_only=True)

    def to_representation(self, version: ShapeVersion | ListedVersion) -> dict[str, Any]:
        """Withdrawn versions are not validated on the wire."""
        return {
            "name": version.name,
            "createTime": rfc3339(version.created_at),
            "updateTime": rfc3339(version.updated_at),
            "snapshot": self.fields["snapshot"].to_representation(version),
            "validated": version.is_offered,
            "public": version.is_public,
            "latestValidated": version.is_latest_validated,
        }


class BaseModelDetailsSerializer(serializers.Serializer[Any]):
    """What is known of a base model, or of what a model was trained from."""

    modelType = serializers.CharField(read_only=True)
    parameterCount = serializers.CharField(read_only=True, help_text="int64 as a string")
    moe = serializers.BooleanField(read_only=True, allow_null=True)


class PeftDetailsSerializer(serializers.Serializer[Any]):
    """What an adapter is."""

    baseModel = serializers.CharField(read_only=True)
    r = serializers.IntegerField(read_only=True)
    targetModules = serializers.ListField(child=serializers.CharField(), read_only=True)


class ModelSerializer(serializers.Serializer[BaseModel | TrainedModel]):
    """A base model, or a model that was made of a checkpoint; of the latter `displayName` can be patched."""

    name = serializers.CharField(read_only=True)
    displayName = serializers.CharField(required=False, allow_blank=True)
    kind = serializers.ChoiceField(MODEL_KINDS, read_only=True)
    state = serializers.ChoiceField(MODEL_STATES, read_only=True)
    status = serializers.DictField(read_only=True, help_text="google.rpc.Status of one that was made here")
    createTime = serializers.DateTimeField(read_only=True)
    baseModelDetails = BaseModelDetailsSerializer(read_only=True)
    peftDetails = PeftDetailsSerializer(read_only=True)
    baseModel = serializers.CharField(read_only=True, help_text="what it was trained from")
    sizeBytes = serializers.CharField(read_only=True, help_text="int64 as a string")
    provenance = serializers.DictField(read_only=True, help_text="names: of launch, shape version and checkpoint")

    def to_representation(self, model: BaseModel | TrainedModel) -> dict[str, Any]:
        """Every base model of the catalog can be trained, so it is READY."""
        return _trained_json(model) if isinstance(model, TrainedModel) else _base_json(model)


def _base_json(model: BaseModel) -> dict[str, Any]:
    return {
        "name": model_name(model.account_slug, model.model_id),
        "displayName": model.title,
        "kind": MODEL_KINDS[0],
        "state": "READY",
        "createTime": rfc3339(model.created_at),
        "baseModelDetails": {
            "modelType": model.model_type or "",
            "parameterCount": str(model.parameter_count or 0),
            "moe": model.architecture == Architecture.MOE if model.architecture else None,
        },
    }


def _trained_json(model: TrainedModel) -> dict[str, Any]:
    """Of what a worker still writes the state is UPLOADING, as the public API has it."""
    failed, adapter = model.state == ModelState.FAILED, model.kind == ModelKind.ADAPTER
    answer = {
        "name": model.name,
        "displayName": model.display_name,
        "kind": KIND_ON_WIRE[ModelKind(model.kind)],
        "state": STATE_ON_WIRE[ModelState(model.state)],
        "status": {"code": int(Code.FAILED_PRECONDITION) if failed else 0, "message": model.detail, "details": []},
        "createTime": rfc3339(model.created_at),
        "baseModelDetails": {
            "modelType": model.model_type or "",
            "parameterCount": str(model.parameter_count or 0),
            "moe": None,
        },
    }
    if adapter:
        answer["peftDetails"] = {
            "baseModel": model.base_model,
            "r": model.lora_rank,
            "targetModules": model.target_modules,
        }
    return answer | {
        "baseModel": model.base_model,
        "sizeBytes": str(model.size_bytes),
        "provenance": camel_keys(model.provenance),
    }


@extend_schema_serializer(component_name="DeploymentShapeVersion")
class DeploymentShapeVersionSerializer(ShapeVersionSerializer):
    """A deployment shape's version; of one that nobody here has, what the training shapes that link it tell."""

    snapshot = DeploymentShapeSerializer(read_only=True)
    baseModel = serializers.CharField(read_only=True)
    deploymentImageTag = serializers.CharField(read_only=True)

    def to_representation(self, version: ShapeVersion | ListedVersion) -> dict[str, Any]:
        """Its facts, or of a training shape's version those of the one that it links."""
        snapshot = version.frozen_snapshot
        told = {"baseModel": snapshot.base_model, "deploymentImageTag": snapshot.deployment_image_tag or ""}
        linked = snapshot.deployment_shape_version
        return ({"name": linked} if linked else super().to_representation(version)) | told


@functools.lru_cache(MOST_READ)
def snapshot_json(snapshot: Snapshot) -> Mapping[str, Any]:
    """A snapshot on the wire, without times; of fields that came later only what is said. Not to be changed."""
    later = _LATER if snapshot.kind is ShapeKind.TRAINING else ()
    writers = _WRITERS[snapshot.kind]
    return {name: value for name, write in writers.items() if (value := write(snapshot)) or name not in later}


def _narrowed(version: ShapeVersion | ListedVersion) -> dict[str, Any]:
    """What its launch fields narrow, where they do; lists, which have not read that, leave it out."""
    if isinstance(version, ListedVersion) or version.trainer_mode is None:
        return {}
    changes = changes_of(version.frozen_snapshot.trainer_mode, version.fields_edition, version.fields)
    return {"launchFields": changes} if changes else {}


def _scheme(snapshot: Snapshot) -> Any:
    scheme = snapshot.trainer_sharding_scheme
    return camel_keys(vars(scheme)) if scheme else None


def _writer(field: SnapshotField) -> Callable[[Snapshot], Any]:
    """How an answer writes the field: what is unknown is UNSPECIFIED, "" or 0."""
    held = attrgetter(field.key)
    if field.kind is ValueKind.CHOICE:
        return lambda snapshot: str(held(snapshot) or field.unspecified)
    if field.kind is ValueKind.TEXT:
        return lambda snapshot: held(snapshot) or ""
    return (lambda snapshot: str(held(snapshot) or 0)) if _is_int64(field) else held


def _writers(kind: ShapeKind) -> dict[str, Callable[[Snapshot], Any]]:
    """How each key of an answer is written, in order."""
    writers = {field.wire: _writer(field) for field in _OWNED[kind]}
    writers |= {"name": attrgetter("name"), "minTotalAcceleratorCount": attrgetter("gpus")}
    if kind is ShapeKind.TRAINING:
        writers["trainerShardingScheme"] = _scheme
    return in_order(writers, _FIRST)


_WRITERS = {kind: _writers(kind) for kind in FIELDS_OF}
_LATER = frozenset(field.wire for field in _OWNED[ShapeKind.TRAINING] if field.key in ADDED)
