"""What a provider offers that runs samplers, too: a kind that runs none simply is none.

A replica of a deployment lives as an attempt of a job does, under a reference of (account, deployment, start): each
start has the next number. So its states, endings and log are an attempt's. Where a connection scales by itself, a start
is all replicas of the deployment there, from when it is wanted until it is scaled to 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from connections.providers.attempts import Observation, Reference
from connections.providers.telemetry import LogChunk


@dataclass(frozen=True)
class SamplerSpec:
    """Everything that a sampler is told, complete and recorded.

    `deployment` is its resource name; `accelerator_count` is GPUs per node of one replica; `max_context_length` is
    tokens of prompt and completion. `trainer_job` is the id of the account's job whose weights it loads, "" for none.
    `inactivity_timeout_seconds` is how long it is up without a call. None elsewhere means that the provider chooses.
    `snapshot` is loaded on the base model before the first answer, "" for nothing: a name that the trainer saved,
    `cross_job://JOB/NAME`, or a model of the account; `lora_rank` is its rank, 0 of whole weights.
    """

    deployment: str
    deployment_shape_version: str
    base_model: str
    engine: str | None
    accelerator_type: str | None
    accelerator_count: int
    node_count: int
    max_context_length: int
    base_model_weight_precision: str | None
    deployment_image_tag: str | None
    trainer_job: str
    inactivity_timeout_seconds: int
    snapshot: str = ""
    lora_rank: int = 0

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.accelerator_count * self.node_count

    def as_json(self) -> dict[str, Any]:
        """The recorded form."""
        return asdict(self)


@dataclass(frozen=True)
class SamplerSubmission:
    """A request to run a deployment's samplers. `token` is what requests to them must carry.

    `least` and `most` are the replicas between which a connection chooses that scales by itself.
    """

    reference: Reference
    spec: SamplerSpec
    token: str = field(repr=False)
    least: int = 0
    most: int = 1


@dataclass(frozen=True)
class KeptSampler:
    """What a connection tells of what a start was asked for; "" and None for what it does not.

    `deployment_shape_version` and `trainer_job` are names and ids here, `gpus` are those of one replica.
    """

    deployment_shape_version: str = ""
    trainer_job: str = ""
    gpus: int | None = None


@dataclass(frozen=True)
class SamplerRecord:
    """What one set of weights answered, or a load of weights; a sampler numbers its records.

    `identity` is of the weights, "" of the base model. `seconds` is how long requests were under way, or the load took;
    `message` why a load failed, "" where it did not. `at` is the time of the newest answer, or of the load's end.
    """

    number: int
    is_load: bool
    identity: str
    requests: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    message: str
    at: datetime


@dataclass(frozen=True)
class SamplerRecordPage:
    """Records in order, and the offset to read on from."""

    records: tuple[SamplerRecord, ...]
    offset: int


class SamplerProvider(Protocol):
    """Somewhere that samplers run. Every call may be repeated, and takes less than a minute."""

    def fits(self, spec: SamplerSpec, replicas: int) -> Sequence[str]:
        """Why so many replicas of the spec can never run here, one sentence a reason. Never touches the network."""

    def start(self, submission: SamplerSubmission) -> None:
        """Take it; a second call with the same reference and token changes nothing but between how many replicas.

        Errors: `Rejected`, also where the reference is another deployment's, whose token differs; `Retryable`.
        """

    def observe(self, reference: Reference) -> Observation:
        """The state right now, and where it listens. Errors: `Gone`, `Retryable`."""

    def stop(self, reference: Reference) -> None:
        """Ask for the end; returns at once, `observe` tells when it is over. Errors: `Gone`, `Retryable`.

        Where one deployment stands for all starts, `NEWEST_ATTEMPT` is whichever that is in; else it is `Gone`.
        """

    def delete(self, account: str, deployment: str) -> None:
        """Remove everything kept of a deployment of which nothing runs. Errors: `Gone`, `Retryable`."""

    def logs(self, reference: Reference, after: int) -> LogChunk:
        """At most 64 KiB of log from the byte offset on, cut at a line end where there is one. Errors: `Gone`.

        Nothing where the connection has none.
        """

    def list_references(self) -> Sequence[Reference]:
        """Every start that stands there under an id of this Slipway, for reconciliation. Errors: `Retryable`.

        An account of "" says that only the id there is known, which then stands for the deployment in every verb.
        """

    def kept(self, reference: Reference) -> KeptSampler:
        """What it was asked for, as far as the connection tells. Errors: `Gone`, `Retryable`."""


@runtime_checkable
class KeepsSamplerRecords(Protocol):
    """What also has the records of its samplers."""

    def records(self, reference: Reference, after: int) -> SamplerRecordPage:
        """At most 1,000 records from the offset on. Errors: `Gone`, `Retryable`."""


@runtime_checkable
class GivesSamplersIds(Protocol):
    """What knows a deployment by an id that is made of ours, and does not always tell ours from it."""

    def id_of(self, reference: Reference) -> str:
        """What it lists the deployment as where it tells no account. Never touches the network."""


@runtime_checkable
class RunsSamplers(Protocol):
    """A provider that runs samplers beside trainers."""

    @property
    def samplers(self) -> SamplerProvider:
        """Where they run."""
