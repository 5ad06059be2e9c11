"""Samplers that another control plane runs: each deployment here is one there, under an id that we made (`names`).

A start here is a number in the annotations of that deployment, and its end 0 replicas there; only who deletes the
deployment here deletes it there. Nothing is kept on this side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from connections.providers.attempts import NEWEST_ATTEMPT, Observation, Reference
from connections.providers.control_plane import deployments, names
from connections.providers.control_plane.account import AccountThere, RemoteJob
from connections.providers.control_plane.jobs import Catalogs, id_in
from connections.providers.control_plane.refusals import RemoteRefusal, clean, lasting
from connections.providers.control_plane.states import TOMBSTONES, word_in
from connections.providers.errors import Gone, NotYet, Rejected
from connections.providers.samplers import KeptSampler, SamplerSpec, SamplerSubmission
from connections.providers.states import FINAL
from connections.providers.telemetry import LogChunk
from wire.names import account_name, deployment_name, job_name

_DELETION = {"ignoreChecks": "true", "hard": "true"}


@dataclass(frozen=True)
class ControlPlaneSamplers:
    """The deployments of one account there. `catalogs` says whose shapes and models here are whose there."""

    there: AccountThere
    catalogs: Catalogs

    def fits(self, spec: SamplerSpec, replicas: int) -> Sequence[str]:  # noqa: ARG002  (it tells no limit)
        """Why the spec can never be served there, as far as can be said from here."""
        return deployments.reasons_against(spec, self.catalogs)

    def start(self, submission: SamplerSubmission) -> None:
        """Make the deployment, or bring it back where this is a later start. Errors: `Rejected`, `Retryable`.

        What can be made there is asked of a new start alone: one that was made runs, whatever is said here since.
        """
        reference = submission.reference
        if not self.there.knows(reference):
            raise Rejected(f"{reference.account[:70]!r} and {reference.job[:70]!r} are no ids that can be used there.")
        found = self._find(reference)
        is_new = found is None or deployments.is_before(found, reference.attempt)
        if is_new and (reasons := self.fits(submission.spec, submission.most)):
            raise Rejected(" ".join(reasons))
        if found is None:
            if reasons := self.fits(submission.spec, submission.most):
                raise Rejected(" ".join(reasons))
            found = self._make(submission)
        self._refuse_anothers(submission, found)
        if deployments.word_of(found) == "DELETING":
            raise NotYet(f"{self.there.id_of(reference)} is still being deleted there.")
        if deployments.is_before(found, reference.attempt):
            self._bring_back(found, submission)
        elif not deployments.is_stopped(found) and not deployments.is_bounded(found, submission):
            # a refusal of more replicas is no end of those that are there
            self.there.client.call("PATCH", self._path_of(reference), body=deployments.bounds(submission))

    def observe(self, reference: Reference) -> Observation:
        """The deployment as it is there, and where it is asked. Errors: `Gone`, `Retryable`."""
        return deployments.observation(self._standing(reference), self.there.client.url)

    def stop(self, reference: Reference) -> None:
        """Leave it no replica; nothing where it has none. Errors: `Gone`, `Retryable`."""
        found = self._standing(reference)
        if not deployments.is_stopped(found) and deployments.word_of(found) not in ("FAILED", "DELETING"):
            self.there.client.call("PATCH", self._path_of(reference), body=deployments.ending(found))

    def delete(self, account: str, deployment: str) -> None:
        """Delete it there, where it has no replica. Errors: `Gone` for what is no id, `Retryable`."""
        reference = Reference(account, deployment, NEWEST_ATTEMPT)
        path = self._path_of(reference)
        found = self._find(reference)
        if found is None or deployments.word_of(found) == deployments.TOMBSTONE:
            return
        if deployments.observation(found, "").state not in FINAL:
            raise NotYet(f"The deployment {self.there.id_of(reference)} is not over yet there.")
        self.there.client.call("DELETE", path, _DELETION)

    def logs(self, reference: Reference, after: int) -> LogChunk:  # noqa: ARG002
        """The wire has none."""
        return LogChunk("", after)

    def list_references(self) -> Sequence[Reference]:
        """Every deployment there that this Slipway made, with replicas or without. Errors: `Retryable`."""
        path = f"/v1/{account_name(self.there.account)}/deployments"
        found = []
        for row in self.there.client.pages(path, "deployments"):
            reference = names.read_remote_id(self.there.instance, id_in(row))
            if reference and deployments.word_of(row) != deployments.TOMBSTONE:
                found.append(replace(reference, attempt=deployments.start_of(row) or NEWEST_ATTEMPT))
        return found

    def id_of(self, reference: Reference) -> str:
        """Its id there."""
        return self.there.id_of(reference)

    def kept(self, reference: Reference) -> KeptSampler:
        """As the deployment tells it; GPUs are its shape's, which is here or nowhere. Errors: `Gone`, `Retryable`."""
        found = self._standing(reference)
        shape = self.catalogs.version_here(clean(found.get("deploymentShape"))[:200])
        trainer = clean(found.get("hotLoadTrainerJob")).rpartition("/")[2]
        known = names.read_remote_id(self.there.instance, trainer)
        return KeptSampler(shape, known.job if known else trainer[:63])

    def _standing(self, reference: Reference) -> RemoteJob:
        """The deployment in that start. Errors: `Gone`, `Retryable`."""
        found = self._find(reference)
        identifier, host = self.there.id_of(reference), self.there.client.host
        if found is None or deployments.word_of(found) == deployments.TOMBSTONE:
            raise Gone(f"There is no deployment {identifier} at {host} (any more).")
        start = deployments.start_of(found)
        if start is not None and reference.attempt not in (NEWEST_ATTEMPT, start):
            raise Gone(f"The deployment {identifier} at {host} is in start {start}, and not in {reference.attempt}.")
        return found

    def _find(self, reference: Reference) -> RemoteJob | None:
        """Errors: `Gone`, `Retryable`."""
        path = self._path_of(reference)
        return self.there.read(path, self.there.id_of(reference))

    def _path_of(self, reference: Reference) -> str:
        """Errors: `Gone` where there can be no such deployment, `Retryable`."""
        if not self.there.knows(reference):
            raise Gone("There is no deployment of that name there.")
        return f"/v1/{deployment_name(self.there.account, self.there.id_of(reference))}"

    def _make(self, submission: SamplerSubmission) -> RemoteJob:
        """The deployment, made now or by an earlier try. Errors: `Rejected`, `Retryable`."""
        reference = submission.reference
        body = deployments.creation(submission, self.catalogs, self._trainer_there(submission))
        query = {"deploymentId": self.there.id_of(reference)}
        path = f"/v1/{account_name(self.there.account)}/deployments"
        try:
            return self.there.same(query["deploymentId"], self.there.client.call("POST", path, query, body))
        except RemoteRefusal as refused:
            if (found := self._find(reference)) is not None:
                return found
            self._wait_for_the_trainer(submission)
            raise lasting(refused) from None

    def _bring_back(self, found: RemoteJob, submission: SamplerSubmission) -> None:
        """Errors: `Rejected`, `Retryable`."""
        body = deployments.changes(found, submission, self.catalogs, self._trainer_there(submission))
        try:
            self.there.client.call("PATCH", self._path_of(submission.reference), body=body)
        except RemoteRefusal as refused:
            self._wait_for_the_trainer(submission)
            raise lasting(refused) from None

    def _refuse_anothers(self, submission: SamplerSubmission, found: RemoteJob) -> None:
        identifier = self.there.id_of(submission.reference)
        if deployments.word_of(found) == deployments.TOMBSTONE:
            raise Rejected(f"A deployment {identifier} was deleted there, and its id is taken. Create another one.")
        if differing := deployments.differences(found, deployments.creation(submission, self.catalogs, "")):
            raise Rejected(
                f"There is a deployment {identifier} there already, which differs in {', '.join(differing)}: "
                f"{submission.reference.job} belongs to another deployment. Create one under another id."
            )

    def _trainer_of(self, submission: SamplerSubmission) -> Reference | None:
        job = submission.spec.trainer_job
        if not job:
            return None
        account = "" if names.is_ours(self.there.instance, job) else submission.reference.account  # one as it is there
        return Reference(account, job, NEWEST_ATTEMPT)

    def _trainer_there(self, submission: SamplerSubmission) -> str:
        """The job's name there, "" for none. Errors: `Retryable`."""
        trainer = self._trainer_of(submission)
        return job_name(self.there.account, self.there.id_of(trainer)) if trainer else ""

    def _wait_for_the_trainer(self, submission: SamplerSubmission) -> None:
        """What was refused while its trainer is not there yet is asked for again. Errors: `Gone`, `Retryable`."""
        trainer = self._trainer_of(submission)
        job = self.there.find(trainer) if trainer else None
        if trainer and job is None:
            raise NotYet(f"The job {trainer.job}, whose weights it loads, is not at {self.there.client.host} (yet).")
        if trainer and job is not None and word_in(job) in TOMBSTONES:
            raise Rejected(f"The job {trainer.job}, whose weights it loads, was deleted at {self.there.client.host}.")
