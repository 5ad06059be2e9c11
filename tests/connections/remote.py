"""A kind of connection whose engine is a dictionary: quick, told what to say, seen all at once, and away when asked.

It stands for a remote third party; `test_control_plane_*` runs against a real one.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from accounts.models import Account
from connections.kinds import KINDS, Kind
from connections.models import Connection
from connections.opened import forget_opened
from connections.providers.attempts import Observation, Reference, Submission
from connections.providers.base import Identity
from connections.providers.capabilities import Capabilities, Credential
from connections.providers.capacity import Capacity, GpuPool
from connections.providers.checkpoints import CheckpointKind, CheckpointList, CheckpointRecord
from connections.providers.configs import setting
from connections.providers.errors import Gone, ProviderError, Rejected, SecretRefused, Unreachable
from connections.providers.promotions import PromotionThere
from connections.providers.recipes import Recipe
from connections.providers.spec import TrainerSpec
from connections.providers.states import AttemptState
from connections.providers.submissions import KeptSubmission
from connections.providers.telemetry import LogChunk, MetricPage

REMOTE = "stand-in"


CAPABILITIES = Capabilities(
    poll_seconds=10.0,
    observes_many=True,
    credential=Credential.CONNECTION_SECRET,
    has_files=False,
    holds_weights=False,
    merges=True,
)


@dataclass(frozen=True)
class RemoteConfig:
    """What such a connection says."""

    url: str = setting("Address", "Where it is.", required=True)


@dataclass
class RemoteEngine:
    """The engine, and what was asked of it.

    `saved` are its checkpoints by account and job; `artifacts` their files, by what `open_artifact` is asked for, as
    bytes or as what opens them: without any it holds no weights. `merger` merges.
    """

    jobs: dict[Reference, Observation] = field(default_factory=dict)
    kept: dict[Reference, KeptSubmission] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    away: str = ""
    locked: str = ""
    refusal: str = ""
    capabilities: Capabilities = CAPABILITIES
    saved: dict[tuple[str, str], list[CheckpointRecord]] = field(default_factory=dict)
    promotions: dict[str, PromotionThere] = field(default_factory=dict)
    artifacts: dict[tuple[str, ...], bytes | Callable[[], BinaryIO]] = field(default_factory=dict)
    merger: Callable[[Path, Path], None] | None = None

    def identify(self) -> Identity:
        self._answer("identify")
        return Identity((("Account", "team"),), ("quota",))

    def capacity(self) -> Capacity:
        self._answer("capacity")
        return Capacity(gpus=(GpuPool("NVIDIA_H100_80GB", 16, 8, 1),), queue_length=3)

    def recipes(self, spec: TrainerSpec) -> Sequence[Recipe]:
        return ()

    def fits(self, spec: TrainerSpec) -> Sequence[str]:
        return (self.refusal,) if self.refusal else ()

    def tokenizer(self, base_model: str) -> Mapping[str, bytes]:
        return {}

    def submit(self, submission: Submission) -> None:
        self._answer("submit")
        self.jobs.setdefault(submission.reference, Observation(AttemptState.PENDING))

    def observe(self, reference: Reference) -> Observation:
        self._answer("observe")
        if reference not in self.jobs:
            raise Gone(f"It knows no {reference.job}.")
        return self.jobs[reference]

    def observe_many(self, references: Sequence[Reference]) -> Mapping[Reference, Observation | ProviderError]:
        self._answer("observe_many")
        return {reference: self.jobs[reference] for reference in references if reference in self.jobs}

    def cancel(self, reference: Reference) -> None:
        self._answer("cancel")
        self.jobs[reference] = Observation(AttemptState.CANCELLED)

    def delete(self, account: str, job: str, *, keep_checkpoints: bool = False) -> None:
        self._answer("delete")
        for reference in [each for each in self.jobs if (each.account, each.job) == (account, job)]:
            del self.jobs[reference]

    def list_references(self) -> Sequence[Reference]:
        self._answer("list_references")
        return list(self.jobs)

    def kept_submission(self, reference: Reference) -> KeptSubmission | None:
        return self.kept.get(reference)

    def logs(self, reference: Reference, after: int) -> LogChunk:
        return LogChunk("", after)

    def metrics(self, reference: Reference, offset: int) -> MetricPage:
        return MetricPage((), offset)

    def checkpoints(self, account: str, job: str) -> CheckpointList:
        return CheckpointList(tuple(self.saved.get((account, job), ())))

    def promote(self, account: str, job: str, checkpoint: str, *, model: str, base_model: str) -> PromotionThere:
        self._answer("promote")
        begun = PromotionThere(f"accounts/north/models/{model}", f"accounts/north/operations/{model}")
        return self.promotions.setdefault(model, begun)

    def promotion(self, account: str, model: str, operation: str) -> PromotionThere | None:
        self._answer("promotion")
        return self.promotions.get(model)

    def open_artifact(self, account: str, job: str, kind: CheckpointKind, name: str, path: str) -> BinaryIO:
        self._answer("open_artifact")
        if not self.artifacts:
            raise Rejected("It holds no weights.")
        found = self.artifacts.get((account, job, kind, name, path))
        if found is None:
            raise Gone(f"It has no {path} of {name}.")
        return found() if callable(found) else io.BytesIO(found)

    def delete_checkpoint(self, account: str, job: str, kind: CheckpointKind, name: str) -> None:
        raise Rejected("It holds no weights.")

    def merge(self, base_model: str, adapter_directory: Path, output_directory: Path) -> None:
        if self.merger is None:
            raise Rejected("It holds no weights.")
        self.merger(adapter_directory, output_directory)

    def forget_attempts(self, before: datetime) -> None: ...

    def _answer(self, call: str) -> None:
        self.calls.append(call)
        if self.away:
            raise Unreachable(self.away)
        if self.locked:
            raise SecretRefused(self.locked)


@contextmanager
def registered(monkeypatch: pytest.MonkeyPatch, name: str, engine: RemoteEngine) -> Iterator[None]:
    """Know a kind of that name; all its connections lead to the one engine."""
    kind = Kind(name, name.capitalize(), "An engine in memory.", RemoteConfig, lambda _: engine, secret_label="Key")
    monkeypatch.setitem(KINDS, name, kind)
    forget_opened()
    yield
    forget_opened()


def make_connection(*accounts: Account, name: str = "far", **facts: Any) -> Connection:
    """A connection of the kind (or of another one), for those accounts, or for everyone where none is given."""
    given: dict[str, Any] = {"kind": REMOTE, "display_name": name.capitalize(), "config": {"url": "x"}, "position": 1}
    connection = Connection.objects.create(name=name, for_everyone=not accounts, **given | facts)
    connection.accounts.add(*accounts)
    return connection
