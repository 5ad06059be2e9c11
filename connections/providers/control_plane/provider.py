"""The provider interface over another control plane. Nothing is kept here: what is known lies there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from connections.providers.attempts import NEWEST_ATTEMPT, Observation, Reference, Submission
from connections.providers.base import Identity
from connections.providers.capabilities import Capabilities, Credential
from connections.providers.capacity import Capacity
from connections.providers.catalogs import CatalogFile, Following, RemoteCatalog
from connections.providers.checkpoints import CheckpointKind, CheckpointList
from connections.providers.control_plane import archives, jobs, names, offered, promoting, states
from connections.providers.control_plane.account import AccountThere, RemoteJob
from connections.providers.control_plane.published import read_published
from connections.providers.control_plane.readiness import Readiness
from connections.providers.control_plane.refusals import Obstacle, RemoteRefusal, lasting, refusal
from connections.providers.control_plane.samplers import ControlPlaneSamplers
from connections.providers.errors import ProviderError, Rejected, Retryable
from connections.providers.promotions import PromotionThere
from connections.providers.recipes import Recipe
from connections.providers.spec import NO_RECIPE, TrainerSpec
from connections.providers.states import FINAL, AttemptState
from connections.providers.submissions import KeptSubmission
from connections.providers.telemetry import LogChunk, MetricPage
from wire.names import parse_model_name

POLL_SECONDS = 10.0
_THEIRS = "This is not offered by this connection: the weights lie with the control plane that the launch ran on."


@dataclass(frozen=True)
class ControlPlaneProvider:
    """Has trainers run by another control plane, in one account there.

    there      the account there
    catalogs   whose shapes and models here are whose there
    following  how the catalog here follows the one there
    published  where its catalog is published as a file, "" where it is listed
    """

    there: AccountThere
    catalogs: jobs.Catalogs
    following: Following = Following.AUTOMATIC
    published: str = ""
    readiness: Readiness = field(default_factory=Readiness, repr=False, compare=False)

    @property
    def capabilities(self) -> Capabilities:
        """All attempts are seen in one list; the trainers are not ours to read."""
        return Capabilities(
            poll_seconds=POLL_SECONDS,
            observes_many=True,
            credential=Credential.CONNECTION_SECRET,
            has_files=False,
            holds_weights=False,
            runs_samplers=True,
        )

    @property
    def samplers(self) -> ControlPlaneSamplers:
        """Where its deployments are."""
        return ControlPlaneSamplers(self.there, self.catalogs)

    @property
    def address(self) -> str:
        """Where it is asked."""
        return self.there.client.url

    def identify(self) -> Identity:
        """The account and what its key shows. Errors: `Retryable`."""
        shown = ", ".join(self.there.shown()) or "none"
        account = self.there.account
        listed = self.there.look()
        return Identity(
            (
                ("Address", self.there.client.url),
                ("Accounts that the key shows", shown),
                ("Jobs are made in", account),
                ("Jobs there", _count(listed)),
                ("Training shapes there", self._may_list(f"/v1/accounts/{account}/trainingShapes")),
                ("Deployments there", self._may_list(f"/v1/accounts/{account}/deployments")),
            ),
            unknown=("quota", "tier", "spending limit", "free GPUs", "whether the key may create jobs"),
        )

    def capacity(self) -> Capacity:
        """The wire tells none; that it answers is worth to know, too. Errors: `Retryable`."""
        self.there.look()
        return Capacity()

    def recipes(self, spec: TrainerSpec) -> Sequence[Recipe]:  # noqa: ARG002  (the same for every spec)
        """None but the user's own loop."""
        return (Recipe(NO_RECIPE, "my own loop drives it"),)

    def fits(self, spec: TrainerSpec) -> Sequence[str]:
        """Why the spec can never run there, as far as can be said from here."""
        return tuple(jobs.reasons_against(spec, self.catalogs))

    def list_catalog(self) -> RemoteCatalog | CatalogFile:
        """The published file, or whatever the key may see of the accounts of `catalogs`. Errors: `Retryable`."""
        if self.published:
            data = read_published(self.published, self.there.client.networks)
            return CatalogFile(self.published, data, self.catalogs.accounts)
        return offered.list_offered(self.there.client, self.catalogs)

    def model_there(self, base_model: str) -> str:
        """Under the account that the catalogs say; "" where none does."""
        return self.catalogs.model_there(base_model)

    def tokenizer(self, base_model: str) -> Mapping[str, bytes]:
        """From another Slipway, which has this beyond the public wire; none from elsewhere. Errors: `Retryable`."""
        there = self.catalogs.model_there(base_model)
        parsed = parse_model_name(there)
        if parsed is None:
            return {}
        answer = self.there.client.send("GET", f"/v1/{there}/tokenizer")
        if answer.status == 429 or answer.status >= 500:
            raise refusal(self.there.client.host, answer.status, None)
        return archives.read_archive(answer.body, folder=parsed[1]) if answer.is_good else {}

    def submit(self, submission: Submission) -> None:
        """Make the job, or resume it where it is over and this is a later attempt. Errors: `Rejected`, `Retryable`.

        The wire numbers no attempts: where the word that a job was resumed gets lost, and its trainer has ended before
        the next try, it is resumed once more. There is never more than one trainer at a time.
        """
        reference = submission.reference
        if not self.there.knows(reference):
            raise Rejected(f"{reference.account[:70]!r} and {reference.job[:70]!r} are no ids of an account and a job.")
        if reasons := self.fits(submission.spec):
            raise Rejected(" ".join(reasons))
        job = self.there.find(reference) if reference.attempt > 1 else None
        if job is None:
            self._create(submission)
        elif states.word_in(job) in states.TOMBSTONES:
            raise Rejected(f"The job {self.there.id_of(reference)} was deleted there. Launch it again as a clone.")
        elif _state_of(job) in FINAL:
            self._resume(reference)

    def observe(self, reference: Reference) -> Observation:
        """The job as it is listed there, and whether its trainer answers. Errors: `Gone`, `Retryable`."""
        return self._observations({reference: self.there.living(reference)})[reference]

    def observe_many(self, references: Sequence[Reference]) -> Mapping[Reference, Observation | ProviderError]:
        """By the list of what is under way. What is not in it was not told, and is no news. Errors: `Retryable`."""
        wanted = {self.there.id_of(reference): reference for reference in references if self.there.knows(reference)}
        listed = ((wanted.get(jobs.id_in(job)), job) for job in self.there.under_way())
        return dict(self._observations({reference: job for reference, job in listed if reference}))

    def recall(self, answered: Collection[Reference]) -> None:
        """What a worker before this one found out, so that a new one asks a few trainers a look, too."""
        self.readiness.recall(answered)

    def cancel(self, reference: Reference) -> None:
        """Ask for the end; nothing where it is over. Errors: `Gone`, `Retryable`."""
        try:
            self.there.ask(reference, ":cancel")
        except RemoteRefusal:
            if _state_of(self.there.living(reference)) not in {*FINAL, AttemptState.CANCELLING}:
                raise

    def delete(self, account: str, job: str, *, keep_checkpoints: bool = False) -> None:  # noqa: ARG002
        """Delete a job that is over. How long its checkpoints are kept is for whoever keeps them to say.

        Errors: `Gone` for what is no id, `Retryable` while it is not over.
        """
        reference = Reference(account, job, NEWEST_ATTEMPT)
        remote = self.there.find(reference)
        if remote is None or states.word_in(remote) in states.TOMBSTONES:
            return
        if _state_of(remote) not in FINAL:
            raise Retryable(f"Job {job} is not over yet there; it is deleted when it is.")
        self.there.delete(reference)

    def list_references(self) -> Sequence[Reference]:
        """Every job of this Slipway that is not over, as its newest attempt. Errors: `Retryable`."""
        ours = (names.read_remote_id(self.there.instance, jobs.id_in(job)) for job in self.there.under_way())
        return [reference for reference in ours if reference]

    def kept_submission(self, reference: Reference) -> KeptSubmission | None:
        """As the job tells it; None where it tells no shape version. Errors: `Gone`, `Retryable`."""
        return jobs.kept_submission(self.there.living(reference), self.catalogs)

    def logs(self, reference: Reference, after: int) -> LogChunk:  # noqa: ARG002
        """The wire has none."""
        return LogChunk("", after)

    def metrics(self, reference: Reference, offset: int) -> MetricPage:  # noqa: ARG002
        """The wire has none."""
        return MetricPage((), offset)

    def checkpoints(self, account: str, job: str) -> CheckpointList:
        """As they are listed there. Errors: `Gone`, `Retryable`."""
        reference = Reference(account, job, NEWEST_ATTEMPT)
        path = f"{self.there.path_of(reference)}/checkpoints"
        try:
            rows = [jobs.checkpoint(row) for row in self.there.client.pages(path, "checkpoints")]
        except RemoteRefusal as error:
            if error.obstacle is not Obstacle.MISSING:
                raise
            rows = []
        if not rows:
            self.there.living(reference)  # nothing is listed of a job that is gone, either
        records = sorted((row for row in rows if row), key=lambda record: (record.step, record.saved_at))
        return CheckpointList(tuple(records))

    def delete_checkpoint(self, account: str, job: str, kind: CheckpointKind, name: str) -> None:  # noqa: ARG002
        """The wire has no such call. Errors: `Rejected`."""
        raise Rejected(_THEIRS)

    def open_artifact(self, account: str, job: str, kind: CheckpointKind, name: str, path: str) -> BinaryIO:  # noqa: ARG002
        """The wire has no such call. Errors: `Rejected`."""
        raise Rejected(_THEIRS)

    def promote(self, account: str, job: str, checkpoint: str, *, model: str, base_model: str) -> PromotionThere:
        """By its own `:promote`. Errors: `Gone`, `Rejected`, `Retryable`."""
        reference, base = Reference(account, job, NEWEST_ATTEMPT), self.catalogs.model_there(base_model)
        return promoting.promote(self.there, reference, checkpoint, model=model, base_model=base)

    def promotion(self, account: str, model: str, operation: str) -> PromotionThere | None:
        """As its operation answers. Errors: `Retryable`."""
        return promoting.look(self.there, promoting.name_there(self.there, account, model), operation)

    def merge(self, base_model: str, adapter_directory: Path, output_directory: Path) -> None:  # noqa: ARG002
        """The wire has no such call. Errors: `Rejected`."""
        raise Rejected(_THEIRS)

    def forget_attempts(self, before: datetime) -> None:
        """Nothing is kept here."""

    def _create(self, submission: Submission) -> None:
        """Errors: `Rejected`, `Retryable`."""
        reference = submission.reference
        body = jobs.creation(submission.spec, self.catalogs)
        shape = self.catalogs.shape_there(submission.spec.training_shape_version)
        try:
            self.there.create(reference, shape, body)
        except RemoteRefusal as error:
            self._take_ours(reference, body, error)

    def _resume(self, reference: Reference) -> None:
        """Errors: `Rejected`, `Retryable`."""
        try:
            self.there.ask(reference, ":resume")
        except RemoteRefusal as refused:
            if _state_of(self.there.living(reference)) in FINAL:  # else an earlier try did it
                raise lasting(refused) from None

    def _take_ours(self, reference: Reference, body: Mapping[str, Any], refused: RemoteRefusal) -> None:
        """Whatever refuses: where the job is there and as it was asked for, an earlier try made it."""
        job = self.there.find(reference)
        if job is None:
            raise lasting(refused) from None
        if states.word_in(job) in states.TOMBSTONES:
            raise Rejected(
                f"A job {self.there.id_of(reference)} was deleted there, and its id is taken for ever. Launch a clone."
            )
        if differing := jobs.differences(job, body):
            raise Rejected(
                f"There is a job {self.there.id_of(reference)} there already, which differs in {', '.join(differing)}: "
                f"{reference.job} belongs to another launch. Launch it under another job id."
            )

    def _may_list(self, path: str) -> str:
        try:
            return _count(self.there.client.call("GET", path, {"pageSize": 1}))
        except RemoteRefusal as error:
            return f"may not be listed ({error.obstacle.lower()})"

    def _observations(self, found: Mapping[Reference, RemoteJob]) -> dict[Reference, Observation]:
        """Those of which it is known whether their trainer answers."""
        running = {
            reference: self.there.trainer_path(reference)
            for reference, job in found.items()
            if _state_of(job) is AttemptState.RUNNING
        }
        self.readiness.forget(found.keys() - running.keys())
        paths = {reference: f"{endpoint}/api/v1/healthz" for reference, endpoint in running.items()}
        answering = self.readiness.look(paths, self.there.client.answers)
        return {
            reference: jobs.observation(
                job,
                self.catalogs,
                endpoint=f"{self.there.client.url}{running[reference]}" if reference in running else "",
                ready=answering.get(reference, False),
            )
            for reference, job in found.items()
            if reference not in running or reference in answering
        }


def _state_of(job: RemoteJob) -> AttemptState:
    return states.meaning_of(states.word_in(job)).state


def _count(listed: Mapping[str, Any]) -> str:
    total = str(listed.get("totalSize", ""))
    return f"{total[:12]}, listed" if total.isdecimal() else "listed"
