"""What every provider offers, and the values it takes and gives.

Every call may be repeated: a worker may die between a call and the note that it was made. None takes longer than a
minute, and what it answers is bounded: what comes from a trainer is hostile until it is read.

There is no verb to resume: a resumed launch is a submission with the next attempt number. `submit` has to be idempotent
by (account, job, attempt) anyway, so one verb serves both, and a crash half-way through either is the same case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from launches.spec import TrainerSpec
from launches.states import AttemptState, Reason

VALIDATION_RECIPE = "validation"
"""A sample run of as many steps as its spec says, one of them at the full context. Users are never offered it."""


class ProviderError(Exception):
    """Something went wrong between us and the provider; the message is for a person."""


class Retryable(ProviderError):
    """Try again later: a network fault, a full disk, a busy lock."""


class Rejected(ProviderError):
    """The provider refuses the spec; trying again will not help."""


class Gone(ProviderError):
    """The provider does not know the job (any more)."""


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
    nobody knows.
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


@dataclass(frozen=True)
class LogChunk:
    """Text of the log that starts after the asked-for offset; `offset` is where the next chunk starts, in bytes.

    Of a log that is far ahead of the offset, the text is of its end: only the end is kept.
    """

    text: str
    offset: int
    limits: tuple[Truncation, ...] = ()


@dataclass(frozen=True)
class MetricRecord:
    """One numbered record of the trainer; None where a figure does not exist or is not finite.

    `longest_context` counts the tokens of the longest sequence.
    """

    number: int
    step: int
    loss_per_token: float | None
    learning_rate: float | None
    grad_norm: float | None
    tokens: int | None
    seconds: float | None
    peak_memory_bytes: int | None
    recorded_at: datetime
    longest_context: int | None = None


@dataclass(frozen=True)
class MetricPage:
    """Records in the order of their numbers; `offset` is where the next page starts, in units of the provider's own.

    An offset that stays the same says that there is nothing more for now; a page may be empty and yet go on.
    """

    records: tuple[MetricRecord, ...]
    offset: int
    limits: tuple[Truncation, ...] = ()


@dataclass(frozen=True)
class CheckpointRecord:
    """One checkpoint of a job; `size_bytes` counts all its files.

    `requested_name` is what the client asked to save it as: another where that was taken, or was no DNS label.
    """

    name: str
    step: int
    size_bytes: int
    saved_at: datetime
    requested_name: str = ""


@dataclass(frozen=True)
class CheckpointList:
    """The checkpoints of a job by step, then by time."""

    records: tuple[CheckpointRecord, ...]
    limits: tuple[Truncation, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """What may drive the trainer besides the user's own loop."""

    name: str
    label: str


class Provider(Protocol):
    """Somewhere that trainers run."""

    @property
    def name(self) -> str:
        """What is recorded on the launch."""

    @property
    def label(self) -> str:
        """What people read."""

    def recipes(self, spec: TrainerSpec) -> Sequence[Recipe]:
        """The recipes that this provider can run for the spec, the default one first."""

    def fits(self, spec: TrainerSpec) -> Sequence[str]:
        """Why the spec cannot run here, one sentence a reason; empty where it can."""

    def tokenizer(self, base_model: str) -> Mapping[str, bytes]:
        """The files of the model's tokenizer by name, as a Hugging Face directory has them; none where it is not here.

        Errors: `Retryable`.
        """

    def submit(self, submission: Submission) -> None:
        """Take the attempt; a second call with the same reference and token changes nothing.

        Errors: `Rejected`, also where the reference is another launch's, whose token differs; `Retryable`.
        """

    def observe(self, reference: Reference) -> Observation:
        """The state right now. Errors: `Gone`, `Retryable`."""

    def cancel(self, reference: Reference) -> None:
        """Ask for the end; returns at once, `observe` tells when it is over. Errors: `Gone`, `Retryable`."""

    def delete(self, account: str, job: str) -> None:
        """Remove everything kept of a job that is over, its checkpoints too; nothing where it is gone already."""

    def list_references(self) -> Sequence[Reference]:
        """Every attempt that is known here and not over, for reconciliation. Errors: `Retryable`."""

    def logs(self, reference: Reference, after: int) -> LogChunk:
        """At most 64 KiB of log from the byte offset on, cut at a line end where there is one. Errors: `Gone`."""

    def metrics(self, reference: Reference, offset: int) -> MetricPage:
        """At most 1,000 records from the offset on, 0 for the first. Errors: `Gone`, `Retryable`."""

    def checkpoints(self, account: str, job: str) -> CheckpointList:
        """The job's checkpoints. Errors: `Gone`, `Retryable`."""

    def forget_attempts(self, before: datetime) -> None:
        """Remove the log and the records kept of attempts that ended before then; never a checkpoint."""
