"""A deployment brought to the request that makes it, and one as it is answered to an observation. Pure.

The wire numbers no starts of a deployment and has no room for a token, so both stand in its annotations: a start that
was asked for twice is one, and a deployment that another one's token made is told apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from connections.providers.attempts import Observation
from connections.providers.control_plane.jobs import Catalogs, read_time
from connections.providers.control_plane.refusals import clean, clean_lines
from connections.providers.samplers import SamplerSpec, SamplerSubmission
from connections.providers.states import AttemptState, Reason
from connections.providers.trainer_files.values import number
from wire.names import deployment_name, is_id

OWNER, START = "slipway-owner", "slipway-start"
STOPPED = "-stopped"
"""Ends the number of a start that was told to end, since not every control plane tells a replica count of 0."""
TOMBSTONE = "DELETED"
_S = AttemptState
_STATES = {"CREATING": _S.CREATING, "READY": _S.RUNNING, "UPDATING": _S.CREATING, "DELETING": _S.CANCELLING}
_SENTENCES = {
    "CREATING": "Its sampler is being made there.",
    "UPDATING": "Its replicas are being changed there.",
    "DELETING": "It is being deleted there.",
}
_COMPARED = ("baseModel", "deploymentShape")


def reasons_against(spec: SamplerSpec, catalogs: Catalogs) -> list[str]:
    """Why the spec can never be served there, one sentence a reason."""
    served, found = ", ".join(catalogs.accounts) or "no account", []
    if not catalogs.serving_there(spec.deployment_shape_version):
        shape = spec.deployment_shape_version
        found.append(f"It runs deployment shapes of {served} only, and {shape} is of another account.")
    if not catalogs.model_there(spec.base_model):
        found.append(f"It has base models of {served} only, and {spec.base_model} is of another account.")
    if "/" in spec.snapshot:  # a bare name is what its trainer there saved, and what was loaded there
        found.append(
            f"{spec.snapshot} is not there: it serves a base model, and what is hot-loaded from a trainer that runs "
            "there. Choose one of these."
        )
    return found


def creation(submission: SamplerSubmission, catalogs: Catalogs, trainer_job: str) -> dict[str, Any]:
    """The body of the request, as the official SDK writes it. `trainer_job` is the job's name there, "" for none."""
    spec = submission.spec
    return {
        "baseModel": catalogs.model_there(spec.base_model),
        "description": spec.deployment,
        "enableHotLoad": True,
        "forTraining": False,
        "hotLoadBucketType": "FW_HOSTED",
        "deploymentShape": catalogs.serving_there(spec.deployment_shape_version),
        **_of_a_start(submission, trainer_job),
    }


def changes(
    deployment: Mapping[str, Any], submission: SamplerSubmission, catalogs: Catalogs, trainer_job: str
) -> dict[str, Any]:
    """What another start of the deployment sets."""
    base_model = catalogs.model_there(submission.spec.base_model)
    another = {} if deployment.get("baseModel") in (None, base_model) else {"baseModel": base_model}
    return {**_of_a_start(submission, trainer_job), **another}


def _of_a_start(submission: SamplerSubmission, trainer_job: str) -> dict[str, Any]:
    return {
        **bounds(submission),
        "annotations": {OWNER: mark_of(submission.token), START: str(submission.reference.attempt)},
        **({"hotLoadTrainerJob": trainer_job} if trainer_job else {}),
    }


def bounds(submission: SamplerSubmission) -> dict[str, Any]:
    """Between how many replicas the control plane chooses."""
    return {"minReplicaCount": submission.least, "maxReplicaCount": submission.most}


def mark_of(token: str) -> str:
    """Tells deployments apart, and not what their token is."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def differences(deployment: Mapping[str, Any], body: Mapping[str, Any]) -> list[str]:
    """Which fields are not what the request asks for; where it tells its owner, that alone says whose it is."""
    if owner := _annotation(deployment, OWNER):
        return [] if owner == body["annotations"][OWNER] else [f"annotations.{OWNER}"]
    return [name for name in _COMPARED if deployment.get(name) and deployment[name] != body[name]]


def ending(deployment: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the request that ends its start."""
    annotations = {name: value for name in (OWNER, START) if (value := _annotation(deployment, name))}
    if START in annotations:
        annotations[START] = annotations[START].removesuffix(STOPPED) + STOPPED
    return {"minReplicaCount": 0, "maxReplicaCount": 0, **({"annotations": annotations} if annotations else {})}


def start_of(deployment: Mapping[str, Any]) -> int | None:
    """The number of its start; None where it tells none."""
    written = _annotation(deployment, START).removesuffix(STOPPED)
    return int(written) if written.isascii() and written.isdecimal() and len(written) < 10 else None


def is_before(deployment: Mapping[str, Any], start: int) -> bool:
    """Whether that start was not asked for there yet."""
    before = start_of(deployment)
    return is_stopped(deployment) if before is None else before < start


def is_stopped(deployment: Mapping[str, Any]) -> bool:
    """Whether it may have no replica."""
    return number(deployment.get("maxReplicaCount")) == 0 or _annotation(deployment, START).endswith(STOPPED)


def is_bounded(deployment: Mapping[str, Any], submission: SamplerSubmission) -> bool:
    """Whether it may have as many replicas as were asked for, as far as it tells that."""
    told = {name: number(deployment.get(name)) for name in bounds(submission)}
    return all(told[name] in (None, wanted) for name, wanted in bounds(submission).items())


def word_of(deployment: Mapping[str, Any]) -> str:
    """The word of its state."""
    return clean(deployment.get("state"))[:40]


def observation(deployment: Mapping[str, Any], endpoint: str) -> Observation:
    """What it says of itself; `endpoint` is where requests to it are asked."""
    word = word_of(deployment)
    state, detail, reason = _meaning(deployment, word)
    answering = number(deployment.get("replicaCount"))
    if word == "UPDATING" and answering and state is _S.CREATING:
        state = _S.RUNNING  # what is there goes on answering
    runs = state is _S.RUNNING
    name = deployment_in(deployment)
    return Observation(
        state,
        detail=detail,
        reason=reason,
        ready=runs and answering != 0,
        endpoint=endpoint if runs else "",
        since=read_time(deployment.get("createTime")),
        remote_id=name,
        remote_state=word,
        replicas=answering if runs else None,
    )


def deployment_in(deployment: Mapping[str, Any]) -> str:
    """Its resource name there; "" where it has none."""
    name = deployment.get("name")
    match name.split("/") if isinstance(name, str) else []:
        case ["accounts", account, "deployments", identifier] if is_id(account) and is_id(identifier):
            return deployment_name(account, identifier)
    return ""


def _meaning(deployment: Mapping[str, Any], word: str) -> tuple[AttemptState, str, Reason | None]:
    """State, sentence and, of an end, the reason."""
    status = deployment.get("status")
    told = clean_lines(status.get("message")) if isinstance(status, Mapping) else ""
    if word == "FAILED":
        return _S.FAILED, told or "It failed there, and nothing was said of why.", None
    if is_stopped(deployment) and word != "DELETING":
        over = word == "READY" and not number(deployment.get("replicaCount"))
        return (_S.CANCELLED if over else _S.CANCELLING), "It was scaled to 0 there.", Reason.USER if over else None
    if word == "READY" and _is_asleep(deployment):
        return _S.CANCELLED, "It was scaled to 0 there, where nobody asked it for a while.", Reason.INACTIVE
    if word not in _STATES:
        unknown = f"Its state there is {word or 'not told'}, of which Slipway knows nothing."
        return _S.PENDING, told or unknown, None
    return _STATES[word], told or _SENTENCES.get(word, ""), None


def _is_asleep(deployment: Mapping[str, Any]) -> bool:
    wanted, answering = (number(deployment.get(name)) for name in ("desiredReplicaCount", "replicaCount"))
    return wanted == 0 or (wanted is None and answering == 0)


def _annotation(deployment: Mapping[str, Any], name: str) -> str:
    annotations = deployment.get("annotations")
    value = annotations.get(name) if isinstance(annotations, Mapping) else None
    return value[:100] if isinstance(value, str) else ""
