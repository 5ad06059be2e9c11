"""What every provider offers; what only some do stands in optional.py.

Every call may be repeated: a worker may die between a call and the note that it was made. None takes longer than a
minute, and what it answers is bounded: what comes from a trainer is hostile until it is read.

There is no verb to resume: a resumed launch is a submission with the next attempt number. `submit` has to be idempotent
by (account, job, attempt) anyway, so one verb serves both, and a crash half-way through either is the same case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from connections.providers.attempts import Observation, Reference, Submission
from connections.providers.capabilities import Capabilities
from connections.providers.capacity import Capacity
from connections.providers.checkpoints import CheckpointKind, CheckpointList
from connections.providers.errors import ProviderError
from connections.providers.recipes import Recipe
from connections.providers.spec import TrainerSpec
from connections.providers.telemetry import LogChunk, MetricPage


@dataclass(frozen=True)
class Identity:
    """Who we are at a connection, line by line for people; `unknown` is what it does not tell."""

    facts: tuple[tuple[str, str], ...]
    unknown: tuple[str, ...] = ()


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
