"""Trainer jobs and their checkpoints as the wire writes them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from api.fields import WholeField
from api.sentences import OWN
from catalog.fields.launch_fields import PLACES, FieldType, every_field
from catalog.fields.snapshot_fields import LONGEST_TAG, MAX_TOKENS
from connections.providers.checkpoints import CheckpointKind
from connections.providers.spec import TrainerMode, TrainerSpec
from connections.providers.states import FINAL, AttemptState, Reason, owner_of
from launches.labels import LONGEST
from launches.models import Attempt, Checkpoint, Launch
from launches.other_versions import waiting_for_a_yes
from launches.settings_on_wire import written_values
from launches.states import FAILURES
from wire.order import in_order
from wire.status import Code, error_info
from wire.times import rfc3339

PREFIX = "JOB_STATE_"
DELETED = "JOB_STATE_DELETED"
_OTHERWISE = {
    AttemptState.QUEUED: "JOB_STATE_PENDING",
    AttemptState.REJECTED: "JOB_STATE_FAILED",
    AttemptState.LOST: "JOB_STATE_FAILED",
}
WIRE_STATES: dict[AttemptState, str] = {state: _OTHERWISE.get(state, PREFIX + state) for state in AttemptState}
STATES = (*dict.fromkeys(WIRE_STATES.values()), DELETED)


class LaunchInput(serializers.Field[Any, Any, Any, Any]):
    """What a user sets, as it was sent: `launches.resolve` reads it, for the form and the API in the same words."""

    def to_internal_value(self, given: Any) -> Any:
        """The single value. Errors: `ValidationError` for a list or an object."""
        if isinstance(given, dict | list):
            raise serializers.ValidationError("It is no single value. Send a text or a number.", code=OWN)
        return given


@extend_schema_field(OpenApiTypes.STR)
class TextInput(LaunchInput):
    """A text."""


@extend_schema_field(OpenApiTypes.INT32)
class WholeInput(LaunchInput):
    """A whole number."""


@extend_schema_field(OpenApiTypes.DOUBLE)
class NumberInput(LaunchInput):
    """A number."""


@extend_schema_field(OpenApiTypes.ANY)
class AnyInput(LaunchInput):
    """A text or a number."""


class LabelField(serializers.CharField):
    """A text that is kept and shown."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, allow_null=True, allow_blank=True, max_length=LONGEST, **options)


@extend_schema_field(OpenApiTypes.ANY)
class UnsupportedInput(serializers.Field[Any, Any, Any, Any]):
    """What an SDK can ask for and no trainer here has: `launches.api.bodies` refuses it where it asks for something."""

    offered = False
    """No refusal of another name counts it among those to use."""

    def __init__(self, **options: Any) -> None:
        text = "not supported here; may be empty"
        super().__init__(required=False, allow_null=True, write_only=True, help_text=text, **options)

    def to_internal_value(self, given: Any) -> Any:
        """As it was sent."""
        return given


_INPUTS: dict[FieldType, type[LaunchInput]] = {FieldType.INTEGER: WholeInput, FieldType.NUMBER: NumberInput}


class SettingsSerializer(serializers.Serializer[Any]):
    """With the inputs of all that a user may set (`PLACES`), at the top of a job or `within` a part of it.

    `first` are the names that are written before all others.
    """

    within: ClassVar[str] = ""
    first: ClassVar[tuple[str, ...]] = ()

    def get_fields(self) -> dict[str, Any]:
        """The user's inputs, then those of the class."""
        known = every_field()
        inputs = {
            place.wire.rpartition(".")[2]: _INPUTS.get(known[name].type, TextInput)(
                required=False, allow_null=True, help_text=place.note or None
            )
            for name, place in PLACES.items()
            if place.wire and place.wire.rpartition(".")[0] == self.within
        }
        return in_order(inputs | super().get_fields(), self.first)


class TrainingConfigSerializer(SettingsSerializer):
    """What is trained, and how. What the shape owns can be read here, not set."""

    within = "trainingConfig"
    first = ("baseModel", "loraRank", "learningRate", "maxContextLength")

    maxContextLength = WholeField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=MAX_TOKENS,
        help_text="tokens; only where the server chooses",
    )
    customImageTag = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=LONGEST_TAG, help_text="only the shape's own"
    )
    acceleratorType = serializers.CharField(required=False, allow_null=True, help_text="owned by the shape")
    acceleratorCount = WholeField(required=False, allow_null=True, help_text="owned by the shape")
    projectionHeadDim = UnsupportedInput()
    extraArgs = UnsupportedInput()
    batchSize = UnsupportedInput()
    batchSizeSamples = UnsupportedInput()
    epochs = UnsupportedInput()
    gradientAccumulationSteps = UnsupportedInput()
    jinjaTemplate = UnsupportedInput()
    learningRateWarmupSteps = UnsupportedInput()
    optimizerWeightDecay = UnsupportedInput()
    samplerCheckpointSaveIntervalSteps = UnsupportedInput()
    outputModel = UnsupportedInput()
    warmStartFrom = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, help_text="an adapter of the account to train on from"
    )


class JobStatusSerializer(serializers.Serializer[dict[str, Any]]):
    """google.rpc.Status of a job."""

    code = serializers.IntegerField(read_only=True)
    message = serializers.CharField(read_only=True)
    details = serializers.ListField(child=serializers.DictField(), read_only=True)


@extend_schema_serializer(component_name="RlorTrainerJob")
class TrainerJobSerializer(SettingsSerializer):
    """A trainer job: a launch, with its newest attempt."""

    first = (
        *("name", "displayName", "createTime", "completedTime", "createdBy", "state", "status", "trainingConfig"),
        *("trainerReplicaCount", "nodeCount", "serviceMode", "keepAlive", "forwardOnly", "inactivityTimeout"),
    )
    name = serializers.CharField(read_only=True)
    createTime = serializers.DateTimeField(read_only=True)
    completedTime = serializers.DateTimeField(read_only=True, allow_null=True)
    createdBy = serializers.CharField(read_only=True)
    state = serializers.ChoiceField(STATES, read_only=True)
    status = JobStatusSerializer(read_only=True)
    trainingConfig = TrainingConfigSerializer(required=False, allow_null=True)
    nodeCount = WholeField(required=False, allow_null=True, help_text="owned by the shape")
    serviceMode = serializers.BooleanField(
        required=False, allow_null=True, help_text="without effect: every trainer is a service"
    )
    keepAlive = serializers.BooleanField(
        required=False, allow_null=True, help_text="without effect: the inactivity timeout decides"
    )
    forwardOnly = serializers.BooleanField(required=False, allow_null=True)
    trainingShapeVersion = serializers.CharField(read_only=True)
    acceleratorSeconds = serializers.DictField(child=serializers.CharField(), read_only=True)
    jobProgress = serializers.DictField(read_only=True, allow_null=True)
    purpose = LabelField(help_text="a label, without effect")
    managedBy = LabelField(help_text="a label, without effect: what made the job")
    dataset = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, help_text="what a recipe trains on; else must be empty"
    )
    evaluationDataset = serializers.CharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="what a recipe measures in place of rows that it holds out; else must be empty",
    )
    recipe = serializers.DictField(
        child=AnyInput(),
        required=False,
        allow_null=True,
        help_text="what drives the trainer instead of a loop of your own: its name, and its parameters by name",
    )
    useReservation = serializers.BooleanField(required=False, allow_null=True, help_text="without effect")
    preemptible = UnsupportedInput()
    reservationTarget = UnsupportedInput()
    evalAutoCarveout = UnsupportedInput()
    awsS3Config = UnsupportedInput()
    azureBlobStorageConfig = UnsupportedInput()
    lossConfig = UnsupportedInput()
    rewardWeights = UnsupportedInput()
    wandbConfig = UnsupportedInput()
    extraValues = UnsupportedInput()
    usePurpose = UnsupportedInput()
    disableInactivityCleanup = UnsupportedInput()
    hotLoadDeploymentId = serializers.CharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        write_only=True,
        help_text="a deployment that loads its weights from now on",
    )
    rolloutDeploymentName = UnsupportedInput()

    def to_representation(self, launch: Launch) -> dict[str, Any]:
        """A deleted job is a tombstone in the state DELETED. Needs its attempts, and account and owner."""
        spec = TrainerSpec.from_json(launch.spec)
        attempts = launch.every_attempt
        newest = max(attempts, key=lambda attempt: attempt.number)
        answer = written_values(spec) | {
            "name": launch.name,
            "displayName": launch.display_name,
            "createTime": rfc3339(launch.created_at),
            "completedTime": rfc3339(newest.finished_at),
            "createdBy": launch.owner.get_username(),
            "state": DELETED if launch.deleted_at else WIRE_STATES[AttemptState(newest.state)],
            "status": _status(launch, newest),
            "trainingConfig": _training_config(spec),
            "nodeCount": spec.node_count,
            "serviceMode": True,
            "keepAlive": False,
            "forwardOnly": spec.trainer_mode is TrainerMode.FORWARD_ONLY,
            "trainingShapeVersion": spec.training_shape_version,
            "acceleratorSeconds": _accelerator_seconds(spec, attempts),
            "jobProgress": None,
            "purpose": launch.purpose,
            "managedBy": launch.managed_by,
            "dataset": spec.dataset.name if spec.dataset else "",
            "useReservation": False,
        }
        if spec.evaluation:
            answer["evaluationDataset"] = spec.evaluation.name
        if spec.recipe_parameters:
            answer["recipe"] = {"name": spec.recipe, **spec.recipe_parameters}
        return in_order(answer, self.fields)


class CheckpointFileSerializer(serializers.Serializer[dict[str, Any]]):
    """One file of a checkpoint, as its trainer noted it down."""

    path = serializers.CharField(read_only=True)
    sizeBytes = serializers.CharField(read_only=True, help_text="int64 as a string")
    sha256 = serializers.CharField(read_only=True, help_text="in hexadecimal")


class CheckpointSerializer(serializers.Serializer[Checkpoint]):
    """A checkpoint of a job, as its provider last listed it."""

    name = serializers.CharField(read_only=True)
    createTime = serializers.DateTimeField(read_only=True)
    updateTime = serializers.DateTimeField(read_only=True)
    expireTime = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="Of a deleted job: until when it is kept."
    )
    checkpointType = serializers.CharField(read_only=True)
    promotable = serializers.BooleanField(read_only=True)
    requestedName = serializers.CharField(read_only=True, help_text="What the client asked to save it as.")
    step = serializers.IntegerField(read_only=True)
    loraRank = serializers.IntegerField(read_only=True, help_text="0 where it holds all parameters")
    loraAlpha = serializers.IntegerField(read_only=True)
    precision = serializers.CharField(read_only=True)
    sizeBytes = serializers.CharField(read_only=True, help_text="int64 as a string")
    files = CheckpointFileSerializer(many=True, read_only=True)

    def to_representation(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """What its trainer did not tell is 0 or empty. Needs `launch` with its account."""
        launch = checkpoint.launch
        return {
            "name": checkpoint.resource_name,
            "createTime": rfc3339(checkpoint.saved_at),
            "updateTime": rfc3339(checkpoint.saved_at),
            "expireTime": rfc3339(launch.kept_until) if launch.kept_until else None,
            "checkpointType": _TYPES[CheckpointKind(checkpoint.kind), checkpoint.is_adapter],
            "promotable": checkpoint.promotable,
            "requestedName": checkpoint.requested_name or checkpoint.name,
            "step": checkpoint.step,
            "loraRank": checkpoint.lora_rank or 0,
            "loraAlpha": checkpoint.lora_alpha or 0,
            "precision": checkpoint.precision,
            "sizeBytes": str(checkpoint.size_bytes),
            "files": [
                {"path": file["path"], "sizeBytes": str(file["size_bytes"]), "sha256": file["sha256"]}
                for file in checkpoint.files
            ],
        }


_TYPES = {
    (CheckpointKind.TRAINING, False): "CHECKPOINT_TYPE_TRAINING",
    (CheckpointKind.TRAINING, True): "CHECKPOINT_TYPE_TRAINING_LORA",
    (CheckpointKind.SAMPLER, False): "CHECKPOINT_TYPE_INFERENCE_BASE",
    (CheckpointKind.SAMPLER, True): "CHECKPOINT_TYPE_INFERENCE_LORA",
}


def _status(launch: Launch, attempt: Attempt) -> dict[str, Any]:
    """OK with the last thing to know, or why it failed; the reason's word stands in the details."""
    state = AttemptState(attempt.state)
    code = Code.FAILED_PRECONDITION if state in FAILURES else 0
    message = " ".join(filter(None, (waiting_for_a_yes(launch, attempt), _readiness(attempt), attempt.detail)))
    message = message or (f"The trainer ended as {state}." if state in FAILURES else "")
    reason = Reason(attempt.reason) if attempt.reason and state in FINAL else None
    owner = {"owner": owner_of(reason)} if state in FAILURES else {}
    details = [error_info(reason, **owner)] if reason else []
    return {"code": int(code), "message": message, "details": details}


def _readiness(attempt: Attempt) -> str:
    """What RUNNING does not say: that its trainer does not answer yet, or since when it does not any more."""
    if attempt.silent_since is not None:
        return f"The trainer has not answered since {rfc3339(attempt.silent_since)}."
    starting = attempt.state == AttemptState.RUNNING and not attempt.ready
    return "The trainer is starting: it does not answer yet." if starting else ""


def _training_config(spec: TrainerSpec) -> dict[str, Any]:
    answer = written_values(spec, TrainingConfigSerializer.within) | {
        "maxContextLength": spec.max_context_length,
        "customImageTag": spec.trainer_image_tag or "",
        "acceleratorType": spec.accelerator_type or "ACCELERATOR_TYPE_UNSPECIFIED",
        "acceleratorCount": spec.accelerator_count,
    }
    answer |= {"warmStartFrom": spec.adapter} if spec.adapter else {}
    return in_order(answer, TrainingConfigSerializer.first)


def _accelerator_seconds(spec: TrainerSpec, attempts: list[Attempt]) -> dict[str, str]:
    """GPU-seconds by GPU type, over all attempts, from the start of each to its end or now."""
    if not spec.trainer_gpus:
        return {}
    now = timezone.now()
    up = sum(((a.finished_at or now) - a.started_at).total_seconds() for a in attempts if a.started_at)
    return {spec.accelerator_type or "ACCELERATOR_TYPE_UNSPECIFIED": str(round(up * spec.trainer_gpus))}
