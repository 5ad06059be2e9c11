"""Deployments as the wire writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from api.fields import WholeField
from api.parsing import sendable, shown
from api.sentences import OWN
from deployments.models import Deployment
from deployments.states import DeploymentState
from wire.names import job_name
from wire.status import Code
from wire.times import rfc3339

STATES = tuple(DeploymentState)
TRANSITIONS = ("SYNC", "ASYNC")
TAKEN = ("description", "enableHotLoad", "forTraining", "hotLoadBucketType", "hotLoadTransitionType", "annotations")
"""Fields that are kept as they are said, and answered so."""
MOST_ANNOTATIONS, LONGEST_NAME = 64, 200
"""How many there may be, and the characters of a name."""


class AnnotationsField(serializers.DictField):
    """Texts by name: not too many for each answer of a list to hold, and none with a name that cannot be written."""

    def to_internal_value(self, data: Any) -> Any:
        """The texts. Errors: `ValidationError`."""
        if isinstance(data, dict) and (sentence := _refuse_names(data)):
            raise serializers.ValidationError(sentence, code=OWN)
        return super().to_internal_value(data)


def _refuse_names(given: Mapping[str, Any]) -> str:
    """Why the names of annotations cannot be kept; "" where they can."""
    if len(given) > MOST_ANNOTATIONS:
        return f"There are {len(given):,}; the limit is {MOST_ANNOTATIONS}. Leave some out."
    if long := next((name for name in given if len(name) > LONGEST_NAME), None):
        return f"The name {shown(long)} has {len(long):,} characters; the limit is {LONGEST_NAME}. Shorten it."
    if odd := next((name for name in given if "\0" in name or sendable(name) != name), None):
        return f"The name {shown(odd)} holds a character that no text may hold. Send another one."
    return ""


class DeploymentPlacementSerializer(serializers.Serializer[Any]):
    """Where it is to run."""

    region = serializers.CharField(required=False, allow_blank=True)


class DeploymentSerializer(serializers.Serializer[Deployment]):
    """Samplers that serve a base model, or what its trainer made of it."""

    name = serializers.CharField(read_only=True)
    baseModel = serializers.CharField(required=False, help_text="a base model, a model or a checkpoint that fits")
    deploymentShape = serializers.CharField(required=False, help_text="name of a version; of a shape its latest")
    description = serializers.CharField(required=False, allow_blank=True, max_length=1000)
    state = serializers.ChoiceField(STATES, read_only=True)
    status = serializers.DictField(read_only=True, help_text="google.rpc.Status")
    minReplicaCount = WholeField(required=False)
    maxReplicaCount = WholeField(required=False)
    desiredReplicaCount = serializers.IntegerField(read_only=True)
    replicaCount = serializers.IntegerField(read_only=True, help_text="how many answer")
    enableHotLoad = serializers.BooleanField(required=False)
    forTraining = serializers.BooleanField(required=False)
    hotLoadBucketType = serializers.CharField(required=False, allow_blank=True, max_length=63)
    hotLoadTrainerJob = serializers.CharField(required=False, allow_blank=True, help_text="whose weights it loads")
    hotLoadTransitionType = serializers.ChoiceField(TRANSITIONS, required=False)
    annotations = AnnotationsField(child=serializers.CharField(allow_blank=True, max_length=1000), required=False)
    acceleratorType = serializers.CharField(required=False, allow_blank=True, help_text="the shape's own")
    placement = DeploymentPlacementSerializer(required=False)
    extraArgs = serializers.ListField(child=serializers.CharField(allow_blank=True), required=False)
    extraValues = serializers.DictField(required=False)
    preemptible = serializers.BooleanField(required=False)
    createTime = serializers.DateTimeField(read_only=True)
    updateTime = serializers.DateTimeField(read_only=True)
    createdBy = serializers.CharField(read_only=True)

    def to_representation(self, row: Deployment) -> dict[str, Any]:
        """What was said, and how it stands."""
        failed = row.state == DeploymentState.FAILED
        answer = {
            "name": row.name,
            "baseModel": row.serves,
            "deploymentShape": row.spec["deployment_shape_version"],
            **{name: row.said[name] for name in TAKEN if name in row.said},
            "state": row.state,
            "status": {"code": int(Code.FAILED_PRECONDITION) if failed else 0, "message": row.detail, "details": []},
            "minReplicaCount": row.min_replicas,
            "maxReplicaCount": row.max_replicas,
            "desiredReplicaCount": row.replicas,
            "replicaCount": row.ready_replicas,
            "createTime": rfc3339(row.created_at),
            "updateTime": rfc3339(row.updated_at),
            "createdBy": row.owner.get_username(),
        }
        if row.trainer:
            answer["hotLoadTrainerJob"] = job_name(row.account.account_id, row.trainer.job_id)
        return answer
