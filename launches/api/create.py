"""Create a trainer job: the request's three modes, brought to the one verb that the form calls, too."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

from django.db.models import BigIntegerField, F, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from accounts.actors import Actor, require
from accounts.models import Account
from accounts.roles import Right
from api.refusals import invalid
from catalog.enums import TrainerMode
from catalog.models import ShapeVersion
from catalog.queries import find_model, find_version, listed, may_see
from catalog.selection import BILLION, MOST_NEAR_MISSES, Candidate, NearMiss, Wanted, bucket, choose, near_misses
from launches.domain.create_launch import create_launch
from launches.models import Launch
from launches.resolve import RECIPE
from wire.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Violation
from wire.names import is_id, parse_model_name, parse_version_name

_WIRE = {
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
_WHOLE_SECONDS = re.compile(r"([0-9]+)\.0+s")
MOST_ALIKE = 1000
"""Shapes for other models that are looked at, where none is for exactly the wanted one."""
MANUAL = (
    "Training shapes own the hardware here, so a job without one cannot be created (skipValidations). Name a shape by "
    "trainingShape, or leave out skipValidations and let the server choose one."
)


def create_job(
    *, actor: Actor, account: Account, mine: list[int], query: Mapping[str, str], body: Mapping[str, Any]
) -> Launch:
    """Accept the job that the request describes.

    Errors: as `create_launch`, with the request's own field names; `PermissionDenied` for the manual mode; `NotFound`
    for a shape that the key may not see; `FailedPrecondition` with the near misses where no shape could be chosen.
    """
    require(actor, account, Right.LAUNCH)
    if query["skipValidations"].lower() not in ("", "false", "0"):
        raise PermissionDenied(MANUAL, reason="TRAINING_SHAPE_NEEDED")
    named, job = query["trainingShape"], query["rlorTrainerJobId"]
    if Launch.objects.filter(account=account, job_id=job if is_id(job) else "").exists():
        # before anything else, so that a request that is repeated finds its job whatever became of the shape
        raise AlreadyExists(f"The job id {job} is taken in {account.account_id}. Choose another.")
    if body.get("dataset"):
        raise invalid("dataset", "A trainer here gets its data from the caller's own loop. Leave it empty.")
    version = _named(mine, named) if named else _chosen(mine, body)
    try:
        return create_launch(
            actor=actor,
            account=account,
            version=version,
            inputs=_inputs(version, body, named=bool(named)),
            idempotency_key=uuid.uuid4().hex,
            job_id=job or None,
        )
    except InvalidArgument as refusal:
        violations = [Violation(_WIRE.get(v.field, v.field), v.description) for v in refusal.violations]
        raise InvalidArgument(violations) from None


def _named(mine: list[int], name: str) -> ShapeVersion:
    parsed = parse_version_name(name)
    if parsed is None:
        raise invalid(
            "trainingShape",
            f"{name[:80]!r} is no name of a shape. Use accounts/ACCOUNT/trainingShapes/SHAPE, "
            "and /versions/VERSION after it to pin one.",
        )
    account, shape, version_id = parsed
    version = find_version(mine, account, shape, "" if version_id == "latest" else version_id)
    if version:
        return version
    shape_versions = ShapeVersion.objects.filter(
        may_see(mine), shape__account__account_id=account, shape__shape_id=shape
    )
    if not version_id and shape_versions.exists():
        raise FailedPrecondition(
            f"{name} has no validated version that was published. Pin one, or ask its publisher.",
            reason="TRAINING_SHAPE_NOT_VALIDATED",
        )
    raise NotFound(f"There is no {name[:300]} that this API key may see.")


def _chosen(mine: list[int], body: Mapping[str, Any]) -> ShapeVersion:
    wanted = _wanted(mine, body)
    exact = [_candidate(version) for version in _exact_rows(mine, wanted)]
    found = choose(wanted, exact)
    alike = [] if found else [_candidate(version) for version in _alike_rows(mine, wanted)]
    found = found or choose(wanted, [c for c in alike if c.parameter_count == wanted.parameter_count])
    if found is None:
        misses = "; ".join(f"{miss.shape}: {miss.fails}" for miss in _near(wanted, exact, alike))
        context = f" with {wanted.context:,} tokens of context" if wanted.context else ""
        raise FailedPrecondition(
            f"No training shape fits {wanted.base_model} as {wanted.mode}{context}. "
            + (f"Near misses: {misses}. Change what you ask for, or name one." if misses else "There is none for it."),
            reason="NO_TRAINING_SHAPE_FITS",
        )
    return ShapeVersion.objects.select_related("shape__account", "shape__base_model__account").get(pk=found.pk)


def _near(wanted: Wanted, exact: list[Candidate], alike: list[Candidate]) -> list[NearMiss]:
    """The near misses, first of all a shape that would do but for the size of its model, which has to be the same."""
    sized = choose(wanted, alike)
    figure = f"{sized.parameter_count:,}, not {wanted.parameter_count:,}" if sized else ""
    wrong_size = [NearMiss(sized.shape, f"its model's parameters are {figure}")] if sized else []
    return [*wrong_size, *near_misses(wanted, [*exact, *alike])]


def _exact_rows(mine: list[int], wanted: Wanted) -> QuerySet[ShapeVersion]:
    account, model = parse_model_name(wanted.base_model) or ("", "")
    rows = listed(mine).filter(shape__base_model__account__account_id=account, shape__base_model__model_id=model)
    return rows.select_related("shape__account")


def _alike_rows(mine: list[int], wanted: Wanted) -> list[ShapeVersion]:
    """Shapes for models of the type and about the size of the wanted one, and a few with too small a context."""
    if not (wanted.model_type and wanted.parameter_count):
        return []
    width, number = bucket(wanted.parameter_count)
    size = Cast(KT("snapshot__parameterCount"), BigIntegerField())
    rows = listed(mine).filter(trainer_mode=wanted.mode, snapshot__modelType=wanted.model_type).alias(size=size)
    rows = rows.filter(size__gte=number * width * BILLION, size__lt=(number + 1) * width * BILLION)
    rows = rows.select_related("shape__account")
    enough = rows.filter(max_context__gte=wanted.context).order_by(
        F("deprecated_at").asc(nulls_first=True), "max_context", "gpus", "shape__account__account_id", "shape__shape_id"
    )
    short = rows.filter(max_context__lt=wanted.context).order_by("-max_context", "gpus")
    return [*enough[:MOST_ALIKE], *short[:MOST_NEAR_MISSES]]


def _wanted(mine: list[int], body: Mapping[str, Any]) -> Wanted:
    name = _at(body, _WIRE["base_model"])
    if not isinstance(name, str) or parse_model_name(name) is None:
        raise invalid(
            _WIRE["base_model"],
            f"{str(name or '')[:80]!r} is no base model. Use accounts/ACCOUNT/models/MODEL, or name a shape.",
        )
    rank = _at(body, _WIRE["lora_rank"])
    mode = TrainerMode.POLICY_TRAINER if str(rank or 0).strip() == "0" else TrainerMode.LORA_TRAINER
    mode = TrainerMode.FORWARD_ONLY if body.get("forwardOnly") else mode
    context = _at(body, _WIRE["max_context_length"]) or 0
    model = find_model(mine, name)
    if model is None:
        return Wanted(name, mode, context)
    return Wanted(name, mode, context, model.model_type, model.parameter_count)


def _candidate(version: ShapeVersion) -> Candidate:
    snapshot = version.frozen_snapshot
    return Candidate(
        pk=version.pk,
        shape=version.shape.name,
        base_model=snapshot.base_model,
        mode=snapshot.trainer_mode,
        context=snapshot.max_supported_context_length,
        gpus=snapshot.gpus,
        model_type=snapshot.model_type,
        parameter_count=snapshot.parameter_count,
        deprecated=version.deprecated_at is not None,
    )


def _inputs(version: ShapeVersion, body: Mapping[str, Any], *, named: bool) -> dict[str, Any]:
    """The launch's inputs, with those that the shape owns, so that all are refused at once and as by the form.

    No recipe: the caller's own loop drives the trainer.
    """
    snapshot = version.frozen_snapshot
    inputs = {name: _at(body, path) for name, path in _WIRE.items() if name != "job_id"}
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
    return {name: value for name, value in inputs.items() if value is not None} | {RECIPE: "none"}


def _at(body: Mapping[str, Any], path: str) -> Any:
    head, _, inner = path.partition(".")
    value = body.get(head)
    return value.get(inner) if inner and isinstance(value, Mapping) else None if inner else value
