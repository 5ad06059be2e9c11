"""What a provider offers that runs recipes beside trainers, as clients of Slipway's API; a kind that does not is none.

A run lives as an attempt of a job does, under the reference of the attempt whose trainer it drives, wherever that one
is. So its states, endings and log are an attempt's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from connections.providers.attempts import Observation, Reference
from connections.providers.official import Checkout
from connections.providers.spec import DatasetFile
from connections.providers.telemetry import LogChunk, MetricPage


@dataclass(frozen=True)
class RunSpec:
    """Everything that a run is told. Without a `checkout` the recipe is one of ours.

    `url` is where Slipway's API answers; `shape` and `base_model` are names. `context` is in tokens; `evaluation` is
    what it measures where that is no part of the dataset; `renderer` is how conversations become tokens, "" for the
    recipe's own choice; `goes_on_from` is the trainer's checkpoint that it goes on from, saved at `goes_on_step`, ""
    where it begins anew.
    """

    recipe: str
    checkout: Checkout | None
    url: str
    shape: str
    base_model: str
    lora_rank: int
    context: int
    learning_rate: float | None
    parameters: Mapping[str, str | int | float]
    dataset: DatasetFile
    evaluation: DatasetFile | None = None
    renderer: str = ""
    goes_on_from: str = ""
    goes_on_step: int = 0

    def as_json(self) -> dict[str, Any]:
        """The recorded form."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> RunSpec:
        """Read it. Errors: `KeyError`, `TypeError`."""
        checkout = stored.get("checkout")
        files = {name: DatasetFile(**stored[name]) for name in ("dataset", "evaluation") if stored.get(name)}
        return cls(**{**stored, **files, "checkout": Checkout(**checkout) if checkout else None})


@dataclass(frozen=True)
class RunSubmission:
    """A request to run a recipe. `token` is the API key that it gets."""

    reference: Reference
    spec: RunSpec
    token: str = field(repr=False)


@dataclass(frozen=True)
class RunProgress:
    """What a run's four files say of it, read as hostile; None and "" where they do not.

    `code` is of google.rpc; `figures` are of its newest step, `step`; `output` is what it made.
    """

    code: int | None = None
    message: str = ""
    percent: int | None = None
    tokens: int | None = None
    step: int | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    output: Mapping[str, str] = field(default_factory=dict)


class EnvironmentState(StrEnum):
    """Of what a checkout's commit runs in: made by the first run, being made, there, or could not be made."""

    ABSENT = "ABSENT"
    MAKING = "MAKING"
    READY = "READY"
    FAILED = "FAILED"


@dataclass(frozen=True)
class RecipeEnvironment:
    """How it stands: `line` is the stage that is under way, or why it could not be made; `since` when it was there."""

    state: EnvironmentState
    line: str = ""
    since: datetime | None = None


class RunProvider(Protocol):
    """Where runs run."""

    def start(self, submission: RunSubmission) -> None:
        """Take the run, and start it where a slot is free; a second call changes nothing.

        Errors: `NotYet`, `Rejected`, `Retryable`.
        """

    def observe(self, reference: Reference) -> Observation:
        """The state right now. Errors: `Gone`, `Retryable`."""

    def progress(self, reference: Reference) -> RunProgress:
        """What its four files say. Errors: `Gone`, `Retryable`."""

    def stop(self, reference: Reference) -> None:
        """Ask for the end. Errors: `Gone`, `Retryable`."""

    def logs(self, reference: Reference, after: int) -> LogChunk:
        """At most 64 KiB of log from the byte offset on. Errors: `Gone`, `Retryable`."""

    def records(self, reference: Reference, offset: int) -> MetricPage:
        """What it put on record as a trainer does, from the offset on. Errors: `Gone`, `Retryable`."""

    def forget_data(self, reference: Reference) -> None:
        """Remove the job's copies of datasets, where no run of it is under way. Errors: `Gone`, `Retryable`."""

    def delete(self, account: str, job: str) -> None:
        """Remove all files of a job's runs, of which none is under way. Errors: `Retryable`."""

    def environment(self, checkout: Checkout) -> RecipeEnvironment:
        """How that of the checkout's commit stands. Errors: `Retryable`."""

    def keep_environments(self, checkouts: Sequence[Checkout]) -> None:
        """Remove all environments but those of the checkouts, and of what is under way. Errors: `Retryable`."""


@runtime_checkable
class RunsRecipes(Protocol):
    """A provider with a machine for runs."""

    @property
    def runs(self) -> RunProvider:
        """Where they run."""
