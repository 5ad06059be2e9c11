"""A kind of connection whose samplers live in a dictionary, told what to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from connections.providers.attempts import NEWEST_ATTEMPT, Observation, Reference
from connections.providers.capabilities import Capabilities, Credential
from connections.providers.errors import Gone, Rejected, Retryable, Unreachable
from connections.providers.samplers import (
    KeptSampler,
    SamplerRecord,
    SamplerRecordPage,
    SamplerSpec,
    SamplerSubmission,
)
from connections.providers.states import FINAL, AttemptState, Reason
from connections.providers.telemetry import LogChunk
from tests.connections.remote import CAPABILITIES, RemoteEngine

SERVING = "serving"
UP = Observation(AttemptState.RUNNING, ready=True, endpoint="http://127.0.0.1:9")
RUNS = replace(CAPABILITIES, runs_samplers=True, credential=Credential.TRAINER_TOKEN)
FAR = replace(RUNS, credential=Credential.CONNECTION_SECRET)
ASKED = Observation(AttemptState.CANCELLED, reason=Reason.USER)


@dataclass
class Samplers:
    """Each start by its reference; `reasons` refuse, `bounds` are the replicas that were asked for last.

    With `takes_its_time`, what was told to end says so later.
    """

    seen: dict[Reference, Observation] = field(default_factory=dict)
    specs: dict[Reference, SamplerSpec] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    reasons: tuple[str, ...] = ()
    rejects: str = ""
    most: int = 4
    bounds: tuple[int, int] = (0, 0)
    takes_its_time: bool = False
    away: str = ""
    asked: int = 0
    page: int = 1000
    told: list[SamplerRecord] = field(default_factory=list)

    def fits(self, spec: SamplerSpec, replicas: int) -> Sequence[str]:
        many = (f"{replicas} are more than {self.most}.",) if replicas > self.most else ()
        return (*self.reasons, *many)

    def start(self, submission: SamplerSubmission) -> None:
        self.asked += 1
        if self.away:
            raise Unreachable(self.away)
        if self.rejects:
            raise Rejected(self.rejects)
        self.bounds = (submission.least, submission.most)
        self.seen.setdefault(submission.reference, Observation(AttemptState.CREATING, "Preparing"))
        self.specs[submission.reference] = submission.spec

    def observe(self, reference: Reference) -> Observation:
        if (found := self._found(reference)) not in self.seen:
            raise Gone("It knows none.")
        return self.seen[found]

    def stop(self, reference: Reference) -> None:
        if (found := self._found(reference)) in self.seen and not self.takes_its_time:
            self.seen[found] = ASKED

    def _found(self, reference: Reference) -> Reference:
        if reference.attempt != NEWEST_ATTEMPT:
            return reference
        starts = [each.attempt for each in self.seen if each.job == reference.job]
        return replace(reference, attempt=max(starts, default=NEWEST_ATTEMPT))

    def delete(self, account: str, deployment: str) -> None:
        if any(each.job == deployment and seen.state not in FINAL for each, seen in self.seen.items()):
            raise Retryable(f"{deployment} is not over yet.")
        self.deleted.append(deployment)
        self.seen = {reference: seen for reference, seen in self.seen.items() if reference.job != deployment}

    def logs(self, reference: Reference, after: int) -> LogChunk:
        return LogChunk("" if after else "hello\n", 6)

    def list_references(self) -> Sequence[Reference]:
        if self.away:
            raise Unreachable(self.away)
        return [reference for reference, seen in self.seen.items() if seen.state not in FINAL]

    def id_of(self, reference: Reference) -> str:
        return f"s7k2f-{reference.job[:5]}-{reference.job[-8:]}"

    def kept(self, reference: Reference) -> KeptSampler:
        spec = self.specs.get(reference)
        return KeptSampler(spec.deployment_shape_version, spec.trainer_job, spec.gpus) if spec else KeptSampler()

    def records(self, reference: Reference, after: int) -> SamplerRecordPage:
        page = tuple(self.told[after : after + self.page])
        return SamplerRecordPage(page, after + len(page))

    def say(self, observation: Observation) -> None:
        """Of the newest start."""
        self.seen[max(self.seen, key=lambda each: each.attempt)] = observation


@dataclass
class ServingEngine(RemoteEngine):
    """An engine in memory that runs samplers, too."""

    samplers: Samplers = field(default_factory=Samplers)
    capabilities: Capabilities = RUNS


@dataclass
class FarEngine(ServingEngine):
    """One whose samplers take the connection's secret, and whose base models have other names."""

    capabilities: Capabilities = FAR
    address: str = UP.endpoint

    def model_there(self, base_model: str) -> str:
        return base_model.replace("accounts/team-a/", "accounts/there/")
