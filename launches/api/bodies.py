"""A trainer job as a request writes it, brought to the inputs of a launch. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from catalog.enums import TrainerMode
from catalog.snapshots import Snapshot
from launches.resolve import RECIPE
from launches.spec import NO_RECIPE
from wire.errors import InvalidArgument, Violation

WIRE = {
    "base_model": "trainingConfig.baseModel",
    "lora_rank": "trainingConfig.loraRank",
    "learning_rate": "trainingConfig.learningRate",
    "region": "trainingConfig.region",
    "display_name": "displayName",
    "trainer_replica_count": "trainerReplicaCount",
    "inactivity_timeout": "inactivityTimeout",
    "job_id": "rlorTrainerJobId",
    "node_count": "nodeCount",
    "forward_only": "forwardOnly",
    "accelerator_type": "trainingConfig.acceleratorType",
    "accelerator_count": "trainingConfig.acceleratorCount",
    "max_context_length": "trainingConfig.maxContextLength",
    "custom_image_tag": "trainingConfig.customImageTag",
}
"""Where the fields of a launch stand in the request, those that the shape owns last."""
_UNAVAILABLE = {
    "dataset": "A trainer here gets its data from the caller's own loop. Leave it empty.",
    "preemptible": "No trainer here gives way to others. Leave it out, or send false.",
    "reservationTarget": "No GPUs are reserved here. Leave it empty.",
    "trainingConfig.projectionHeadDim": "No trainer here has a projection head. Leave it out, or send 0.",
}
_WHOLE_SECONDS = re.compile(r"([0-9]+)\.0+s")


def value_at(body: Mapping[str, Any], path: str) -> Any:
    """What stands at the path, such as `trainingConfig.loraRank`; None where it was left out."""
    head, _, inner = path.partition(".")
    value = body.get(head)
    return value.get(inner) if inner and isinstance(value, Mapping) else None if inner else value


def refuse_unavailable(body: Mapping[str, Any]) -> None:
    """Errors: `InvalidArgument` naming every field that asks for what no trainer here has."""
    found = [Violation(path, sentence) for path, sentence in _UNAVAILABLE.items() if value_at(body, path)]
    if found:
        raise InvalidArgument(found)


def launch_inputs(snapshot: Snapshot, body: Mapping[str, Any], *, named: bool) -> dict[str, Any]:
    """The launch's inputs, with those that the shape owns, so that all are refused at once and as by the form.

    `named` says whether the request named the shape. No recipe: the caller's own loop drives the trainer.
    """
    inputs = {name: value_at(body, path) for name, path in WIRE.items() if name != "job_id"}
    timeout = inputs["inactivity_timeout"]
    if isinstance(timeout, str) and (whole := _WHOLE_SECONDS.fullmatch(timeout)):
        inputs["inactivity_timeout"] = f"{whole[1]}s"
    if snapshot.trainer_mode is TrainerMode.FORWARD_ONLY:
        del inputs["learning_rate"]  # the SDK always sends one
    if not inputs["forward_only"] or snapshot.trainer_mode is TrainerMode.FORWARD_ONLY:
        del inputs["forward_only"]
    if not named:
        del inputs["max_context_length"]  # by which the shape was chosen
    if inputs["custom_image_tag"] in ("", snapshot.trainer_image_tag):
        del inputs["custom_image_tag"]
    return {name: value for name, value in inputs.items() if value is not None} | {RECIPE: NO_RECIPE}
