"""Base models, training shapes, versions and deployment shapes as the wire writes them.

A fact that nobody knows is UNSPECIFIED, "", 0, or null for the sharding scheme; int64 are strings; times are RFC 3339.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from api.fields import Int64Field, WholeField
from catalog.enums import AcceleratorType, Architecture, TrainerMode, WeightPrecision
from catalog.fields.snapshot_fields import MAX_PARAMETERS
from catalog.fields.snapshots import ShardingScheme, Snapshot
from catalog.models import BaseModel, ShapeVersion
from wire.times import rfc3339

MODES = ("TRAINER_MODE_UNSPECIFIED", *TrainerMode)
ACCELERATORS = ("ACCELERATOR_TYPE_UNSPECIFIED", *AcceleratorType)
PRECISIONS = ("WEIGHT_PRECISION_UNSPECIFIED", *WeightPrecision)


class ShardingSchemeSerializer(serializers.Serializer[ShardingScheme]):
    """Degrees of parallelism of one replica."""

    tensorParallelism = WholeField(required=False)
    pipelineParallelism = WholeField(required=False)
    contextParallelism = WholeField(required=False)
    expertParallelism = WholeField(required=False)
    sequenceParallelism = serializers.BooleanField(required=False)


class TrainingShapeSerializer(serializers.Serializer[ShapeVersion]):
    """A training shape, or the snapshot of a version of one."""

    name = serializers.CharField(read_only=True)
    displayName = serializers.CharField(required=False, allow_blank=True)
    description = serializers.CharField(required=False, allow_blank=True)
    baseModel = serializers.CharField(required=False)
    modelType = serializers.CharField(required=False, allow_blank=True)
    parameterCount = Int64Field(required=False, min_value=0, max_value=MAX_PARAMETERS, help_text="int64 as a string")
    trainerMode = serializers.ChoiceField(MODES, required=False)
    acceleratorType = serializers.ChoiceField(ACCELERATORS, required=False)
    acceleratorCount = WholeField(required=False, help_text="GPUs per node")
    nodeCount = WholeField(required=False)
    minTotalAcceleratorCount = serializers.IntegerField(read_only=True, help_text="GPUs of one replica")
    trainerShardingScheme = ShardingSchemeSerializer(required=False, allow_null=True)
    baseModelWeightPrecision = serializers.ChoiceField(PRECISIONS, required=False)
    maxSupportedContextLength = WholeField(required=False, help_text="tokens")
    trainerImageTag = serializers.CharField(required=False, allow_blank=True)
    deploymentShapeVersion = serializers.CharField(required=False, allow_blank=True)
    deploymentImageTag = serializers.CharField(required=False, allow_blank=True)
    createTime = serializers.DateTimeField(read_only=True)
    updateTime = serializers.DateTimeField(read_only=True)

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
    """A snapshot on the wire, without times."""
    stored = snapshot.as_json()
    return {
        "name": snapshot.name,
        "displayName": snapshot.display_name,
        "description": snapshot.description,
        "baseModel": snapshot.base_model,
        "modelType": snapshot.model_type or "",
        "parameterCount": str(snapshot.parameter_count or 0),
        "trainerMode": snapshot.trainer_mode.value,
        "acceleratorType": snapshot.accelerator_type or ACCELERATORS[0],
        "acceleratorCount": snapshot.accelerator_count,
        "nodeCount": snapshot.node_count,
        "minTotalAcceleratorCount": snapshot.gpus,
        "trainerShardingScheme": stored["trainerShardingScheme"],
        "baseModelWeightPrecision": snapshot.base_model_weight_precision or PRECISIONS[0],
        "maxSupportedContextLength": snapshot.max_supported_context_length,
        "trainerImageTag": snapshot.trainer_image_tag or "",
        "deploymentShapeVersion": snapshot.deployment_shape_version or "",
        "deploymentImageTag": snapshot.deployment_image_tag or "",
    }
