"""An attempt to run a job: what it is called, what is asked for, and what is seen of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from connections.providers.spec import TrainerSpec
from connections.providers.states import AttemptState, Reason

NEWEST_ATTEMPT = 0
"""Stands in a reference for whichever attempt of the job is the newest, where an engine counts none."""


@dataclass(frozen=True)
class Reference:
    """One attempt of one job, under the ids that we chose."""

    account: str
    job: str
    attempt: int


@dataclass(frozen=True)
class Submission:
    """A request to run an attempt. `token` is what requests to the trainer must carry.

    Attempts after the first go on from the newest checkpoint of the job, where there is one.
    """

    reference: Reference
    spec: TrainerSpec
    token: str


@dataclass(frozen=True)
class Truncation:
    """Something of which there is more than we take. `name` tells limits apart: each is said once an attempt."""

    name: str
    message: str


@dataclass(frozen=True)
class Progress:
    """A line that users should see, such as "Installing torch"; numbered from 1 within the attempt."""

    number: int
    message: str


@dataclass(frozen=True)
class Observation:
    """What the provider says of an attempt right now.

    `endpoint` is the trainer's base URL where it listens; `ready` says that it answers its healthz. `resumed_from` is
    the name of the checkpoint that the attempt started from. `session_opened` says whether a client ever opened one
    in this attempt, None where the provider cannot tell. `progress` holds the first
    few hundred lines of the attempt. `since` is when the provider started it, or took it where it waits; None where
    nobody knows. `remote_id`, `remote_state` and `remote_version` are the engine's own id, state and, where it resolves
    shapes itself, shape version, "" where it has none; `estimated_start` is when it expects to start what waits.
    `nodes` and `gpus` are what the engine gave it, in its own words; `gpu_seconds` what it has counted of these so far.
    `serving` is the identity of what a sampler loaded last, "" where that is its base model, or is not known;
    `load_seconds` is how long that took, None where nobody says.
    `replicas` is how many of a deployment's samplers answer, None where there is one at most. `token` is what opens a
    trainer that is ready, "" where that is not told.
    """

    state: AttemptState
    detail: str = ""
    reason: Reason | None = None
    ready: bool = False
    endpoint: str = ""
    queue_position: int | None = None
    resumed_from: str = ""
    session_opened: bool | None = None
    progress: tuple[Progress, ...] = ()
    limits: tuple[Truncation, ...] = ()
    since: datetime | None = None
    remote_id: str = ""
    remote_state: str = ""
    remote_version: str = ""
    estimated_start: datetime | None = None
    nodes: str = ""
    gpus: str = ""
    gpu_seconds: int | None = None
    serving: str = ""
    load_seconds: float | None = None
    replicas: int | None = None
    token: str = field(default="", repr=False)
