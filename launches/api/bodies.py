"""A trainer job as a request writes it, brought to the inputs of a launch. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from catalog.fields.launch_fields import PLACES
from catalog.fields.recipe_fields import RECIPE_PREFIX
from catalog.fields.snapshots import Snapshot
from connections.providers.spec import NO_RECIPE, TrainerMode
from launches.labels import Labels
from launches.recipes import DATASET, EVALUATION
from launches.resolve import CONTINUE_FROM, RECIPE, WHEN_INTERRUPTED
from wire.errors import InvalidArgument, Violation
from wire.numbers import read_whole

WIRE = {
    **{name: place.wire for name, place in PLACES.items() if place.wire},
    "job_id": "rlorTrainerJobId",
    "node_count": "nodeCount",
    "forward_only": "forwardOnly",
    "accelerator_type": "trainingConfig.acceleratorType",
    "accelerator_count": "trainingConfig.acceleratorCount",
    CONTINUE_FROM: "trainingConfig.warmStartFrom",
    RECIPE: "recipe.name",
    DATASET: "dataset",
    EVALUATION: "evaluationDataset",
    WHEN_INTERRUPTED: "whenInterrupted",
    "purpose": "purpose",
    "managed_by": "managedBy",
    "max_context_length": "trainingConfig.maxContextLength",
    "custom_image_tag": "trainingConfig.customImageTag",
}
"""Where the fields of a launch stand in the request, those that the shape owns last."""
_NO_INPUTS = frozenset({"job_id", "purpose", "managed_by", WHEN_INTERRUPTED, RECIPE, DATASET, EVALUATION})
_LOOP = "the caller's own loop drives a trainer here, and decides this"
_DATA = "a trainer here gets its data from the caller's own loop, where no recipe is named"
_ENGINE = "what a trainer is started with is its shape's and its connection's to say"
UNAVAILABLE = {
    "dataset": _DATA,
    "evaluationDataset": _DATA,
    "evalAutoCarveout": _DATA,
    "awsS3Config": _DATA,
    "azureBlobStorageConfig": _DATA,
    "lossConfig": _LOOP,
    "rewardWeights": _LOOP,
    "wandbConfig": _LOOP,
    "extraValues": _ENGINE,
    "preemptible": "no trainer here gives way to others",
    "reservationTarget": "no GPUs are reserved here",
    "usePurpose": "no GPUs are set apart for a purpose here",
    "disableInactivityCleanup": "every trainer gives its slot back once nothing was asked of it for its inactivity "
    "timeout, of 3 hours at most",
    "rolloutDeploymentName": "a job names the deployment that loads its weights as hotLoadDeploymentId",
    "trainingConfig.extraArgs": _ENGINE,
    "trainingConfig.projectionHeadDim": "no trainer here has a projection head",
    "trainingConfig.batchSize": _LOOP,
    "trainingConfig.batchSizeSamples": _LOOP,
    "trainingConfig.epochs": _LOOP,
    "trainingConfig.gradientAccumulationSteps": _LOOP,
    "trainingConfig.jinjaTemplate": _LOOP,
    "trainingConfig.learningRateWarmupSteps": _LOOP,
    "trainingConfig.optimizerWeightDecay": _LOOP,
    "trainingConfig.samplerCheckpointSaveIntervalSteps": _LOOP,
    "trainingConfig.outputModel": "no job here makes a model by itself",
}
"""What an SDK can ask for and no trainer here has, with why; asking for nothing by it is taken.

Source: the request types of the official SDK (1.2.0 to 1.2.30), which send any of these.
"""
_NOT_SET_BY_ZERO = ("node_count", "accelerator_type", "accelerator_count", "max_context_length", "region")
_WHOLE_SECONDS = re.compile(r"([0-9]+)\.0+s")


def value_at(body: Mapping[str, Any], path: str) -> Any:
    """What stands at the path, such as `trainingConfig.loraRank`; None where it was left out."""
    head, _, inner = path.partition(".")
    value = body.get(head)
    return value.get(inner) if inner and isinstance(value, Mapping) else None if inner else value


def refuse_unavailable(body: Mapping[str, Any]) -> None:
    """Errors: `InvalidArgument` naming every field that asks for what no trainer here has."""
    drives_itself = not _says_nothing(value_at(body, WIRE[RECIPE]))
    wanted = [
        (path, why)
        for path, why in UNAVAILABLE.items()
        if not _says_nothing(value_at(body, path)) and not (drives_itself and path in (WIRE[DATASET], WIRE[EVALUATION]))
    ]
    if wanted:
        raise InvalidArgument(
            [Violation(path, f"Not supported here, because {why}. Leave it out, or empty.") for path, why in wanted]
        )


def _says_nothing(value: Any) -> bool:
    """Whether the value is what leaving the field out means in JSON of protocol buffers, at every depth."""
    if isinstance(value, dict):
        return all(_says_nothing(inner) for inner in value.values())
    if isinstance(value, str):
        return not value.strip() or value.endswith("_UNSPECIFIED") or read_whole(value) == 0
    return not value


def launch_inputs(snapshot: Snapshot, body: Mapping[str, Any], *, named: bool) -> dict[str, Any]:
    """The launch's inputs, with those that the shape owns, so that all are refused at once and as by the form.

    `named` says whether the request named the shape. Where no recipe is named the caller's own loop drives the trainer.
    """
    inputs = {name: value_at(body, path) for name, path in WIRE.items() if name not in _NO_INPUTS}
    timeout = inputs["inactivity_timeout"]
    if isinstance(timeout, str) and (whole := _WHOLE_SECONDS.fullmatch(timeout)):
        inputs["inactivity_timeout"] = f"{whole[1]}s"
    if snapshot.trainer_mode is TrainerMode.FORWARD_ONLY:
        del inputs["learning_rate"]  # the SDK always sends one
    if inputs["forward_only"] and snapshot.trainer_mode is TrainerMode.LORA_TRAINER and inputs["lora_rank"] is None:
        inputs["lora_rank"] = 0
    if not inputs["forward_only"] or _may_only_go_forward(snapshot, inputs):
        del inputs["forward_only"]
    if not named:
        del inputs["max_context_length"]  # by which the shape was chosen
    if inputs["custom_image_tag"] in ("", snapshot.trainer_image_tag):
        del inputs["custom_image_tag"]
    for name in _NOT_SET_BY_ZERO:
        if name in inputs and _says_nothing(inputs[name]):
            del inputs[name]
    return {name: value for name, value in inputs.items() if value is not None} | _recipe_inputs(body)


def _recipe_inputs(body: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe, its parameters, and the dataset, where a recipe is named."""
    told = {name: value for name, value in (body.get("recipe") or {}).items() if not _blank(value)}
    name = told.pop("name", NO_RECIPE)
    dataset = {name: body[WIRE[name]] for name in (DATASET, EVALUATION) if body.get(WIRE[name])}
    return {RECIPE: name} | dataset | {f"{RECIPE_PREFIX}{parameter}": value for parameter, value in told.items()}


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _may_only_go_forward(snapshot: Snapshot, inputs: Mapping[str, Any]) -> bool:
    """Whether the shape is forward-only, or is a LoRA shape asked for at rank 0: the base model alone."""
    is_bare = snapshot.trainer_mode is TrainerMode.LORA_TRAINER and read_whole(inputs["lora_rank"]) == 0
    return is_bare or snapshot.trainer_mode is TrainerMode.FORWARD_ONLY


def labels_in(body: Mapping[str, Any]) -> Labels:
    """The labels that the request puts on its job."""
    return Labels(purpose=(body.get("purpose") or "").strip(), managed_by=(body.get("managedBy") or "").strip())
