"""Where a job would run, as the answer to `validateOnly` writes it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from connections.providers.spec import TrainerSpec
from launches.api.resources import STATES, TrainerJobSerializer
from launches.domain.check_launch import REFUSED, CheckedLaunch
from launches.estimates import forecast_of
from launches.models import Launch
from launches.offers import Outlook, Verdict
from wire.times import rfc3339

NOT_THERE = "JOB_STATE_UNSPECIFIED"
"""The state of a job that there is not."""


class ConnectionOutlookSerializer(serializers.Serializer[Verdict]):
    """What one connection says of the job."""

    connection = serializers.CharField(read_only=True)
    outlook = serializers.ChoiceField([each.value for each in Outlook], read_only=True)
    reasons = serializers.ListField(child=serializers.CharField(), read_only=True)

    def to_representation(self, verdict: Verdict) -> dict[str, Any]:
        """Reasons are empty where it would start at once."""
        return {
            "connection": verdict.connection.name,
            "outlook": verdict.outlook,
            "reasons": list(verdict.against),
        }


class PlacementSerializer(serializers.Serializer[CheckedLaunch]):
    """Where the job would go, and what its engine said when it was asked."""

    connection = serializers.CharField(read_only=True)
    outlook = serializers.ChoiceField([*(each.value for each in Outlook), REFUSED], read_only=True)
    message = serializers.CharField(read_only=True)
    engineMessage = serializers.CharField(read_only=True, help_text="the engine's own words; empty where it has none")
    estimatedStartTime = serializers.DateTimeField(read_only=True, allow_null=True)
    nodes = serializers.CharField(read_only=True, help_text="as the engine writes them")
    connections = ConnectionOutlookSerializer(many=True, read_only=True)

    def to_representation(self, checked: CheckedLaunch) -> dict[str, Any]:
        """Of a launch that nobody made."""
        trial = checked.trial
        return {
            "connection": checked.verdict.connection.name,
            "outlook": checked.outlook,
            "message": checked.words,
            "engineMessage": trial.words if trial else checked.silence,
            "estimatedStartTime": rfc3339(trial.starts) if trial else None,
            "nodes": trial.nodes if trial else "",
            "connections": [ConnectionOutlookSerializer(each).data for each in checked.verdicts],
        }


class RunSerializer(serializers.Serializer[CheckedLaunch]):
    """What a run on a dataset would be, as far as that is known before its rows are read."""

    steps = serializers.IntegerField(read_only=True)
    stepsPerEpoch = serializers.IntegerField(read_only=True)
    heldOutRows = serializers.IntegerField(read_only=True)
    checkpoints = serializers.IntegerField(read_only=True)
    estimatedSeconds = serializers.ListField(
        child=serializers.FloatField(), read_only=True, help_text="least and most, by earlier runs; empty before any"
    )
    exact = serializers.BooleanField(
        read_only=True, help_text="false where packing makes them fewer, or a batch counts tokens"
    )
    tokensPerEpoch = serializers.CharField(
        read_only=True, allow_null=True, help_text="at most; int64 as a string; null where nobody counted them"
    )
    longestRowTokens = serializers.IntegerField(read_only=True, allow_null=True, help_text="null: not counted")
    cutRows = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="at most so many are longer than the context; null: not counted"
    )
    checkpointBytes = serializers.CharField(
        read_only=True, allow_null=True, help_text="of all saves; int64 as a string; null before any was saved here"
    )

    def to_representation(self, checked: CheckedLaunch) -> dict[str, Any]:
        """Counted in optimizer steps; empty of a recipe that trains on no dataset."""
        launch = checked.launch
        spec = TrainerSpec.from_json(launch.spec)
        forecast = forecast_of(launch.shape_version, launch.account, spec)
        if forecast is None:
            return {}
        outlook, estimate = forecast.outlook, forecast.time
        return {
            "steps": outlook.steps,
            "stepsPerEpoch": outlook.steps_an_epoch,
            "heldOutRows": outlook.held_out,
            "checkpoints": outlook.checkpoints,
            "estimatedSeconds": [round(estimate.low, 1), round(estimate.high, 1)] if estimate else [],
            "exact": outlook.is_exact,
            "tokensPerEpoch": _whole(forecast.tokens_an_epoch),
            "longestRowTokens": forecast.longest,
            "cutRows": forecast.cut,
            "checkpointBytes": _whole(forecast.checkpoint_bytes),
        }


def _whole(number: int | None) -> str | None:
    return None if number is None else str(number)


@extend_schema_serializer(component_name="CreatedRlorTrainerJob")
class CreatedJobSerializer(TrainerJobSerializer):
    """The job that was made; or, with `validateOnly`, as it would be, and where it would run."""

    createTime = serializers.DateTimeField(read_only=True, allow_null=True)
    state = serializers.ChoiceField((*STATES, NOT_THERE), read_only=True)
    placement = PlacementSerializer(read_only=True, required=False, help_text="only with validateOnly")
    run = RunSerializer(read_only=True, required=False, help_text="the same, of a recipe that trains on a dataset")

    def to_representation(self, made: Launch | CheckedLaunch) -> dict[str, Any]:
        """A job that there is not has no time."""
        if isinstance(made, Launch):
            return super().to_representation(made)
        job = super().to_representation(made.launch)
        run = RunSerializer(made).data
        answer = {"createTime": None, "state": NOT_THERE, "placement": PlacementSerializer(made).data}
        return job | answer | ({"run": run} if run else {})
