"""Base models, training shapes, versions and deployment shapes as the wire writes them.

A fact that nobody knows is UNSPECIFIED, "", 0, or null for the sharding scheme; int64 are strings; times are RFC 3339.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from api.fields import Int64Field, WholeField
from catalog.enums import Architecture
from catalog.fields.snapshot_fields import FIELDS, SCHEME_FIELDS, SnapshotField, ValueKind, value_of
from catalog.fields.snapshots import ADDED, Snapshot
from catalog.models import BaseModel, ShapeVersion
from connections.providers.spec import ShardingScheme
from wire.order import in_order
from wire.times import rfc3339

_OWNED = [field for field in FIELDS if field.head == field.key]
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

    name = serializers.CharField(read_only=True)
    minTotalAcceleratorCount = serializers.IntegerField(read_only=True, help_text="GPUs of one replica")
    trainerShardingScheme = ShardingSchemeSerializer(required=False, allow_null=True)
    createTime = serializers.DateTimeField(read_only=True)
    updateTime = serializers.DateTimeField(read_only=True)

    def get_fields(self) -> dict[str, Any]:
        """With all of the table of what a shape owns."""
        return in_order({field.wire: _input(field) for field in _OWNED} | super().get_fields(), _FIRST)

    def to_representation(self, version: ShapeVersion) -> dict[str, Any]:
        """The version's snapshot, with the times of its shape and of itself."""
        return snapshot_json(version.frozen_snapshot) | {
            "createTime": rfc3339(version.shape.created_at),
            "updateTime": rfc3339(version.updated_at),
        }


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

    def to_representation(self, version: ShapeVersion) -> dict[str, Any]:
        """Withdrawn versions are not validated on the wire."""
        return {
            "name": version.name,
            "createTime": rfc3339(version.created_at),
            "updateTime": rfc3339(version.updated_at),
            "snapshot": TrainingShapeSerializer().to_representation(version),
            "validated": version.is_launchable,
            "public": version.is_public,
            "latestValidated": version.is_latest_validated,
        }


class BaseModelDetailsSerializer(serializers.Serializer[BaseModel]):
    """What is known of a base model."""

    modelType = serializers.CharField(read_only=True)
    parameterCount = serializers.CharField(read_only=True, help_text="int64 as a string")
    moe = serializers.BooleanField(read_only=True, allow_null=True)


class BaseModelSerializer(serializers.Serializer[BaseModel]):
    """A base model."""

    name = serializers.CharField(read_only=True)
    displayName = serializers.CharField(read_only=True)
    kind = serializers.CharField(read_only=True)
    state = serializers.CharField(read_only=True)
    createTime = serializers.DateTimeField(read_only=True)
    baseModelDetails = BaseModelDetailsSerializer(read_only=True)

    def to_representation(self, model: BaseModel) -> dict[str, Any]:
        """Every base model of the catalog can be trained, so it is READY."""
        return {
            "name": model.name,
            "displayName": model.title,
            "kind": "HF_BASE_MODEL",
            "state": "READY",
            "createTime": rfc3339(model.created_at),
            "baseModelDetails": {
                "modelType": model.model_type or "",
                "parameterCount": str(model.parameter_count or 0),
                "moe": model.architecture == Architecture.MOE if model.architecture else None,
            },
        }


class DeploymentShapeVersionSerializer(serializers.Serializer[dict[str, Any]]):
    """A deployment shape's version, as far as the training shapes that link it tell."""

    name = serializers.CharField(read_only=True)
    baseModel = serializers.CharField(read_only=True)
    deploymentImageTag = serializers.CharField(read_only=True)


def snapshot_json(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot on the wire, without times; of fields that came later only what is said."""
    told = [field for field in _OWNED if field.key not in ADDED or value_of(snapshot, field.key)]
    answer = {field.wire: _written(field, value_of(snapshot, field.key)) for field in told}
    answer |= {
        "name": snapshot.name,
        "minTotalAcceleratorCount": snapshot.gpus,
        "trainerShardingScheme": snapshot.as_json()["trainerShardingScheme"],
    }
    return in_order(answer, _FIRST)


def _written(field: SnapshotField, value: Any) -> Any:
    """The value as an answer writes it: what is unknown is UNSPECIFIED, "" or 0."""
    if field.kind is ValueKind.CHOICE:
        return str(value or field.unspecified)
    if field.kind is ValueKind.TEXT:
        return value or ""
    return str(value or 0) if _is_int64(field) else value
