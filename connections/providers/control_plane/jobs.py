"""A spec brought to the request that makes its job, and a job as it is answered to an observation. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connections.providers.attempts import Observation
from connections.providers.checkpoints import CheckpointKind, CheckpointRecord
from connections.providers.control_plane.refusals import clean, clean_lines, reason_in
from connections.providers.control_plane.states import meaning_of, word_of
from connections.providers.spec import NO_RECIPE, TrainerMode, TrainerSpec
from connections.providers.states import FINAL, AttemptState, Reason
from connections.providers.submissions import KeptSubmission
from connections.providers.trainer_files.values import finite, moment
from wire.names import (
    DEPLOYMENT_SHAPES,
    is_id,
    model_name,
    parse_model_name,
    parse_version_name,
    shape_name,
    version_name,
)

_INFERENCE = "_INFERENCE_"  # in the types of checkpoints that a sampler serves
_COMPARED = ("trainingConfig.baseModel", "trainingConfig.loraRank", "trainingConfig.learningRate", "displayName")
_REASONS = frozenset(Reason)
LONGEST_NAME, LONGEST_PRECISION = 200, 16
_KEPT = {
    "lora_rank": "trainingConfig.loraRank",
    "learning_rate": "trainingConfig.learningRate",
    "region": "trainingConfig.region",
    "trainer_replica_count": "trainerReplicaCount",
    "inactivity_timeout_seconds": "inactivityTimeout",
    "display_name": "displayName",
}
"""What a user set, by attribute of the spec, and where a job tells it."""


@dataclass(frozen=True)
class Catalogs:
    """Whose shapes and models here are whose there: account ids, by account here."""

    accounts: Mapping[str, str]

    def shape_there(self, version: str) -> str:
        """The shape of a version here, under its name there; "" where it is not offered there."""
        parsed = parse_version_name(version)
        there = self.accounts.get(parsed[0]) if parsed else None
        return shape_name(there, parsed[1]) if parsed and there else ""

    def model_there(self, name: str) -> str:
        """The base model under its name there; "" where it is not offered there."""
        parsed = parse_model_name(name)
        there = self.accounts.get(parsed[0]) if parsed else None
        return model_name(there, parsed[1]) if parsed and there else ""

    def serving_there(self, version: str) -> str:
        """The version of a deployment shape here under its name there; "" where it is not offered there."""
        parsed = parse_version_name(version, DEPLOYMENT_SHAPES)
        there = self.accounts.get(parsed[0]) if parsed else None
        return version_name(there, *parsed[1:], DEPLOYMENT_SHAPES) if parsed and there else ""

    def version_here(self, version: str) -> str:
        """A version there under its name here; as it stands where it is of an account that is nobody's here."""
        here = {there: here for here, there in self.accounts.items()}
        match version.split("/"):
            case ["accounts", account, *rest] if account in here:
                return "/".join(("accounts", here[account], *rest))
        return version


def reasons_against(spec: TrainerSpec, catalogs: Catalogs) -> Iterator[str]:
    """Why the spec can never run there, one sentence a reason."""
    served = ", ".join(catalogs.accounts) or "no account"
    if not catalogs.shape_there(spec.training_shape_version):
        yield f"It launches shapes of {served} only, and {spec.training_shape_version} is of another account."
    if not catalogs.model_there(spec.base_model):
        yield f"It has base models of {served} only, and {spec.base_model} is of another account."
    if spec.recipe != NO_RECIPE:
        yield f"The recipe {spec.recipe} needs a connection that runs Slipway's trainer; your own loop drives this one."


def creation(spec: TrainerSpec, catalogs: Catalogs) -> dict[str, Any]:
    """The body of the request, as the official SDK writes it: what a user sets, and nothing that the shape owns."""
    config: dict[str, Any] = {"baseModel": catalogs.model_there(spec.base_model), "loraRank": spec.lora_rank}
    if spec.learning_rate is not None:
        config["learningRate"] = spec.learning_rate
    if spec.region:
        config["region"] = spec.region
    body: dict[str, Any] = {
        "serviceMode": True,
        "keepAlive": False,
        "dataset": "",
        "useReservation": True,
        "trainingConfig": config,
        "trainerReplicaCount": spec.trainer_replica_count,
        "inactivityTimeout": f"{spec.inactivity_timeout_seconds}s",
    }
    if spec.display_name:
        body["displayName"] = spec.display_name
    if _is_reference(spec):
        body["forwardOnly"] = True
    return body


def differences(job: Mapping[str, Any], body: Mapping[str, Any]) -> list[str]:
    """Which fields of the job, as far as it tells them, are not what the request asks for."""
    return [
        path
        for path in _COMPARED
        if (there := _at(job, path)) is not None and (asked := _at(body, path)) is not None and not _alike(there, asked)
    ]


def observation(job: Mapping[str, Any], catalogs: Catalogs, *, endpoint: str = "", ready: bool = False) -> Observation:
    """What the job says of itself. `endpoint` is where its trainer is reached, `ready` that it answers."""
    word = word_of(job.get("state"))
    meaning = meaning_of(word)
    status = job.get("status")
    said = status if isinstance(status, Mapping) else {}
    runs = meaning.state is AttemptState.RUNNING
    detail = clean_lines(said.get("message")) or meaning.sentence
    name = id_in(job)
    version = job.get("trainingShapeVersion")
    return Observation(
        meaning.state,
        detail=detail,
        reason=_reason(meaning.reason, said) if meaning.state in FINAL else None,
        ready=runs and ready,
        endpoint=endpoint if runs else "",
        since=read_time(job.get("createTime")) if meaning.state is AttemptState.PENDING else None,
        remote_id=name if is_id(name) else "",
        remote_state=word,
        remote_version=catalogs.version_here(clean(version)[:200]),
    )


def kept_submission(job: Mapping[str, Any], catalogs: Catalogs) -> KeptSubmission | None:
    """What the job says that it was asked for, under the names here; None where it tells no shape version."""
    version = catalogs.version_here(clean(job.get("trainingShapeVersion"))[:200])
    if parse_version_name(version) is None:
        return None
    config = job.get("trainingConfig")
    read = {name: _plain(_at(job, path)) for name, path in _KEPT.items()}
    told = {name: value for name, value in read.items() if value is not None}
    if isinstance(config, Mapping) and isinstance(config.get("baseModel"), str):
        told["base_model"] = catalogs.version_here(clean(config["baseModel"])[:200])
    seconds = str(told.pop("inactivity_timeout_seconds", "")).removesuffix("s")
    if seconds.isascii() and seconds.isdecimal():
        told["inactivity_timeout_seconds"] = int(seconds[:9])
    return KeptSubmission(version, told)


def id_in(row: Mapping[str, Any]) -> str:
    """The last part of a resource's name there; "" where it has no name, or one that is no text."""
    name = row.get("name")
    return name.rpartition("/")[2] if isinstance(name, str) else ""


def checkpoint(row: Mapping[str, Any]) -> CheckpointRecord | None:
    """A row of the list of checkpoints; None where it has no name. Not every control plane tells step and size."""
    name = id_in(row)
    if not is_id(name):
        return None
    asked = clean(row.get("requestedName"))[:LONGEST_NAME]
    saved_at = read_time(row.get("createTime")) or datetime.fromtimestamp(0, UTC)
    return CheckpointRecord(
        name,
        _number(row.get("step")),
        _whole(row.get("sizeBytes")),
        saved_at,
        asked or name,
        kind=CheckpointKind.SAMPLER if _INFERENCE in clean(row.get("checkpointType")) else CheckpointKind.TRAINING,
        promotable_there=row.get("promotable") is True,
        lora_rank=_number(row["loraRank"]) if "loraRank" in row else None,
        lora_alpha=_number(row.get("loraAlpha")),
        precision=clean(row.get("precision"))[:LONGEST_PRECISION],
    )


def read_time(text: Any) -> datetime | None:
    """A moment as the wire writes it; None where it is none, or one that not every zone has."""
    return moment(text[:40]) if isinstance(text, str) else None


def _is_reference(spec: TrainerSpec) -> bool:
    """Whether it only looks at tokens: a forward-only shape, or the base model of a LoRA shape without an adapter."""
    whole = spec.trainer_mode is TrainerMode.LORA_TRAINER and spec.lora_rank == 0
    return whole or spec.trainer_mode is TrainerMode.FORWARD_ONLY


def _reason(known: Reason | None, status: Mapping[str, Any]) -> Reason | None:
    word = reason_in(status.get("details"))
    return Reason(word) if word in _REASONS else known


def _plain(value: Any) -> str | float | None:
    """A short text that hides nothing, or a number that is one; None for all else."""
    if isinstance(value, str):
        return clean(value) if len(value) <= LONGEST_NAME else None
    return value if finite(value) is not None else None


def _at(body: Mapping[str, Any], path: str) -> Any:
    head, _, inner = path.partition(".")
    value = body.get(head)
    return value.get(inner) if inner and isinstance(value, Mapping) else None if inner else value


def _alike(there: Any, asked: Any) -> bool:
    try:
        return there == asked or math.isclose(float(there), float(asked), rel_tol=1e-6)
    except (TypeError, ValueError, OverflowError):
        return False


def _number(written: Any) -> int:
    """A whole number that four bytes hold; 0 where it is none."""
    number = _whole(written)
    return number if number < 2**31 else 0


def _whole(written: Any) -> int:
    """An int64, which JSON writes as a string; 0 where it is none."""
    text = str(written)
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else 0
