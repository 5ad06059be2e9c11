"""What every provider offers, and the values it takes and gives.

Every call may be repeated: a worker may die between a call and the note that it was made. None takes longer than a
minute, and what it answers is bounded: what comes from a trainer is hostile until it is read.

There is no verb to resume: a resumed launch is a submission with the next attempt number. `submit` has to be idempotent
by (account, job, attempt) anyway, so one verb serves both, and a crash half-way through either is the same case.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

from connections.providers.evaluations import EvaluationRecord, RunPlan
from connections.providers.memory_use import MemoryUse
from connections.providers.recipe_parameters import RecipeParameter
from connections.providers.spec import TrainerSpec
from connections.providers.states import AttemptState, Reason

VALIDATION_RECIPE = "validation"
"""A sample run of as many steps as its spec says, one of them at the full context. Users are never offered it."""


class ProviderError(Exception):
    """Something went wrong between us and the provider; the message is for a person."""


class Retryable(ProviderError):
    """Try again later: a network fault, a full disk, a busy lock."""


class Unreachable(Retryable):
    """There was no answer at all, or none that makes sense: the connection is away, whatever runs there."""


class Unconfirmed(Unreachable):
    """It shows what a person has to confirm before anything is said to it: the value of a setting that is empty."""

    def __init__(self, message: str, setting: str, shown: str) -> None:
        super().__init__(message)
        self.setting = setting
        self.shown = shown


class SecretRefused(Retryable):
    """It answered, and does not take the connection's secret: a state of the connection, whatever runs there."""


class NotYet(Retryable):
    """It does what was asked for and needs more time: ask again, soon. The message says how far it is."""


class Rejected(ProviderError):
    """The provider refuses the spec; trying again will not help."""


class Gone(ProviderError):
    """The provider does not know the job (any more)."""


class Credential(StrEnum):
    """What the gateway shows at an endpoint: the trainer's own token, or the secret of the connection."""

    TRAINER_TOKEN = "TRAINER_TOKEN"  # noqa: S105  (the name of a choice)
    CONNECTION_SECRET = "CONNECTION_SECRET"  # noqa: S105


@dataclass(frozen=True)
class Capabilities:
    """What a kind of connection can do, and how it likes to be asked.

    `poll_seconds` is how often an attempt that runs is observed. `observes_many` says that one call sees all attempts
    of the connection, so they are observed together. `has_files` says that it runs our own trainer, whose log, records
    and checkpoints can be read: where it does not, curves come from what passes through the gateway. `holds_weights`
    says that checkpoints can be opened and removed through it. `runs_here` says that it needs nothing but this machine.
    `looks_before_lost` is how often in a row, each time later, it has to say that it knows no such job before that
    counts: what moves house, or was restored, may say so for a while. `merges` says that `merge` does it,
    `brings_models` that models which accounts made here, adapters too, are where its trainers are. `trainer_slots` and
    `sampler_slots` are how many run at a time at most, None where it does not say.
    """

    poll_seconds: float
    observes_many: bool = False
    credential: Credential = Credential.TRAINER_TOKEN
    has_files: bool = True
    holds_weights: bool = True
    runs_samplers: bool = False
    runs_here: bool = False
    looks_before_lost: int = 4
    merges: bool = False
    brings_models: bool = False
    trainer_slots: int | None = None
    sampler_slots: int | None = None


@dataclass(frozen=True)
class GpuPool:
    """GPUs of one type (the wire's name, "" where unknown): how many there are, are free, and are out of service."""

    accelerator_type: str
    total: int | None
    free: int | None
    drained: int = 0


@dataclass(frozen=True)
class MachineKind:
    """Machines that are alike: how many there are, and what each has, GPUs by type. 0: it does not say."""

    count: int
    gpus: Mapping[str, int]
    cpus: int = 0
    memory_mb: int = 0


@dataclass(frozen=True)
class Capacity:
    """What a connection has; `queue_length` counts what waits there, whoever submitted it. None: it does not say.

    `machines` are those that a job could get, also where they are out of service; `most_nodes` and `most_minutes` are
    the limits of one job. `out` says of each machine that is out of service which it is and why.
    """

    gpus: tuple[GpuPool, ...] = ()
    queue_length: int | None = None
    running: int | None = None
    slots: int | None = None
    machines: tuple[MachineKind, ...] = ()
    most_nodes: int | None = None
    most_minutes: int | None = None
    out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Identity:
    """Who we are at a connection, line by line for people; `unknown` is what it does not tell."""

    facts: tuple[tuple[str, str], ...]
    unknown: tuple[str, ...] = ()


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

    `longest_context` counts the tokens of the longest sequence; `reward` is the mean that the loop told; `memory` says
    what the peak goes to, where that is news.
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
    reward: float | None = None
    planned_memory_bytes: int | None = None
    memory: MemoryUse | None = None


@dataclass(frozen=True)
class MetricPage:
    """Records in the order of their numbers; `offset` is where the next page starts, in units of the provider's own.

    Beside them what a recipe put on record among its steps; `plan` is the newest.

    An offset that stays the same says that there is nothing more for now; a page may be empty and yet go on.
    """

    records: tuple[MetricRecord, ...]
    offset: int
    limits: tuple[Truncation, ...] = ()
    evaluations: tuple[EvaluationRecord, ...] = ()
    plan: RunPlan | None = None


class CheckpointKind(StrEnum):
    """What a checkpoint is for: to go on training from, or to be sampled from and promoted to a model."""

    TRAINING = "TRAINING"
    SAMPLER = "SAMPLER"


@dataclass(frozen=True)
class CheckpointFile:
    """One file of a checkpoint, as its trainer noted it down: path below the checkpoint, bytes, and sha256 in hex."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class CheckpointRecord:
    """One checkpoint of a job; `size_bytes` counts all its files.

    `requested_name` is what the client asked to save it as: another where that was taken, or was no DNS label.
    `writing` says that its bytes are not all there yet; `promotable_there` that the connection, which keeps its files,
    can make a model of it. What the provider does not tell is None or empty; a rank of 0 means all parameters.
    """

    name: str
    step: int
    size_bytes: int
    saved_at: datetime
    requested_name: str = ""
    kind: CheckpointKind = CheckpointKind.TRAINING
    writing: bool = False
    lora_rank: int | None = None
    lora_alpha: int | None = None
    precision: str = ""
    files: tuple[CheckpointFile, ...] = ()
    promotable_there: bool = False


@dataclass(frozen=True)
class CheckpointList:
    """The checkpoints of a job by step, then by time."""

    records: tuple[CheckpointRecord, ...]
    limits: tuple[Truncation, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """What may drive the trainer besides the user's own loop.

    `parameters` are what users may set of it. `formats` are those of the rows of the dataset that it trains on, none
    where it trains on no dataset of theirs; `measures` says that it takes a second one, to measure, `beside` that it is
    one of ours and drives a trainer that is not.
    """

    name: str
    label: str
    parameters: tuple[RecipeParameter, ...] = ()
    formats: tuple[str, ...] = ()
    measures: bool = False
    beside: bool = False


class Provider(Protocol):
    """Somewhere that trainers run: the code of a kind of connection, opened with one connection's configuration."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do. Never touches the network."""

    def identify(self) -> Identity:
        """Who we are there: what a person who tests the connection reads. Errors: `Retryable`."""

    def capacity(self) -> Capacity:
        """What it has and what is free, asked in the background. Errors: `Retryable`."""

    def recipes(self, spec: TrainerSpec) -> Sequence[Recipe]:
        """The recipes that this provider can run for the spec, the default one first."""

    def fits(self, spec: TrainerSpec) -> Sequence[str]:
        """Why the spec can never run here, one sentence a reason; empty where it may. Never touches the network."""

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

    def observe_many(self, references: Sequence[Reference]) -> Mapping[Reference, Observation | ProviderError]:
        """The states of several attempts, in few calls where the engine can; what is missing was not told this time.

        Errors: `Retryable` where it does not answer at all.
        """

    def cancel(self, reference: Reference) -> None:
        """Ask for the end; returns at once, `observe` tells when it is over. Errors: `Gone`, `Retryable`."""

    def delete(self, account: str, job: str, *, keep_checkpoints: bool = False) -> None:
        """Remove everything kept of a job that is over, or all but its checkpoints; nothing where it is gone already.

        Checkpoints that are kept are listed, loaded and removed as before; nothing runs under the job's id again. Where
        the job is another side's, they stay for as long as that side keeps them. Errors: `Gone`, `Retryable`.
        """

    def list_references(self) -> Sequence[Reference]:
        """Every attempt that is known here and not over, for reconciliation. Errors: `Retryable`.

        Its number is `NEWEST_ATTEMPT` where the engine counts no attempts. An account of "" says that only the engine's
        own id of the job is known, which then stands for the job, here and in every other verb.
        """

    def logs(self, reference: Reference, after: int) -> LogChunk:
        """At most 64 KiB of log from the byte offset on, cut at a line end where there is one. Errors: `Gone`."""

    def metrics(self, reference: Reference, offset: int) -> MetricPage:
        """At most 1,000 records from the offset on, 0 for the first. Errors: `Gone`, `Retryable`."""

    def checkpoints(self, account: str, job: str) -> CheckpointList:
        """The job's checkpoints of both kinds, those being written too. Errors: `Gone`, `Retryable`."""

    def delete_checkpoint(self, account: str, job: str, kind: CheckpointKind, name: str) -> None:
        """Remove one checkpoint; nothing where it is gone.

        Errors: `Gone`, `Retryable`; `Rejected` where the connection does not hold the weights.
        """

    def open_artifact(self, account: str, job: str, kind: CheckpointKind, name: str, path: str) -> BinaryIO:
        """A file of a checkpoint by its path there, open for reading; the caller closes it.

        Errors: `Gone`, `Retryable`; `Rejected` where the connection does not hold the weights.
        """

    def merge(self, base_model: str, adapter_directory: Path, output_directory: Path) -> None:
        """Fold a LoRA adapter into its base model: a Hugging Face directory, written into an empty one.

        It may take half an hour and is cheap to repeat with another empty directory; what a failure left there is for
        the caller to remove. The adapter is read as hostile. Errors: `Rejected`, where the same will never do, as where
        the adapter is of another base model or the connection does not hold the weights; `Retryable`.
        """

    def forget_attempts(self, before: datetime) -> None:
        """Remove the log and the records kept of attempts that ended before then; never a checkpoint."""


Dial = Callable[[str, int], "Future[socket.socket]"]
"""Connects to a host and port as they are known there, and answers a socket of this machine. Errors: `OSError`."""


@runtime_checkable
class OpensTunnels(Protocol):
    """A provider through which alone its trainers may be reached; who connects holds the tunnel, and closes it."""

    @property
    def dial(self) -> Dial | None:
        """How an endpoint is connected to; None where that needs nothing."""


@dataclass(frozen=True)
class TokenLengths:
    """`counts[n]` are the rows shorter than 2**n tokens that are not in a smaller one; `tokens` all together.

    `samples` are the first rows as the model reads them, in JSON: line, and sequences of name, tokens, learnt, is_cut
    and parts, each a text and whether it is learnt.
    """

    counts: Sequence[int]
    tokens: int
    longest: int
    samples: Sequence[Mapping[str, Any]] = ()


@runtime_checkable
class CountsTokens(Protocol):
    """A provider that counts tokens by the tokenizers of the models that it has."""

    def has_tokenizer(self, base_model: str) -> bool:
        """Whether it has the model's."""

    def count_tokens(self, base_model: str, dataset: Path) -> TokenLengths:
        """How long the rows of a dataset are, in minutes at most. Errors: `Rejected`, `Retryable`."""


@runtime_checkable
class KnowsTemplates(Protocol):
    """A provider that knows of its base models whether they can be told messages."""

    def has_chat_template(self, base_model: str) -> bool | None:
        """Whether its tokenizer has one; None where that is not seen from here. Never touches the network."""


@runtime_checkable
class HasAddress(Protocol):
    """A provider that is asked at one address, with a secret that is for that address alone."""

    @property
    def address(self) -> str:
        """Without a slash at its end; all that runs there listens below it."""


@runtime_checkable
class JudgesSizes(Protocol):
    """A provider whose engine tells how large its machines are, so that what none can hold is known beforehand."""

    def too_large(self, spec: TrainerSpec, capacity: Capacity) -> Sequence[str]:
        """Why the spec can never run there, one sentence a reason, by what it last said. Never touches the network."""


@runtime_checkable
class RecallsAnswering(Protocol):
    """A provider that asks trainers one by one whether they answer, and remembers that as long as its process lives."""

    def recall(self, answered: Collection[Reference]) -> None:
        """Of those it remembers nothing of, these answered when they were last asked, before the process began."""


@runtime_checkable
class NamesFiles(Protocol):
    """A provider whose trainers write files of this machine, so that whoever waits for news can see that there are."""

    def files_with_news(self, reference: Reference) -> Sequence[Path]:
        """What grows or appears when there is something new to observe or to read. Reads nothing. Errors: `Gone`."""
