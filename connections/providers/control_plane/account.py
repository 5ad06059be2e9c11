"""The account there: its jobs, under the ids that we made, found, listed and asked for something."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from connections.providers.attempts import Reference
from connections.providers.control_plane import names, states
from connections.providers.control_plane.client import ControlPlaneClient
from connections.providers.control_plane.jobs import id_in
from connections.providers.control_plane.refusals import KeyRefusal, Obstacle, RemoteRefusal
from connections.providers.errors import Gone, Retryable
from wire.names import account_name, is_id, job_name

_UNDER_WAY = " AND ".join(f'state!="{states.PREFIX}{word}"' for word in ("COMPLETED", "FAILED", "CANCELLED"))
RemoteJob = Mapping[str, Any]
"""A job, or a deployment, as it was answered: hostile until it is read."""


@dataclass(frozen=True)
class AccountThere:
    """One account there, as one Slipway (`instance`) uses it; `named` is "" where the key shows it."""

    client: ControlPlaneClient
    instance: str
    named: str = ""

    @cached_property
    def account(self) -> str:
        """Its id. Errors: `Retryable`."""
        if self.named:
            return self.named
        shown = self.shown()
        if len(shown) != 1:
            told = f"shows {len(shown)} accounts ({', '.join(shown[:10])})" if shown else "shows no account"
            raise Retryable(f"The connection's key {told}: a superuser has to write which one jobs are made in.")
        return shown[0]

    def shown(self) -> list[str]:
        """The ids of the accounts that the key shows. Errors: `Retryable`."""
        rows = self.client.pages("/v1/accounts", "accounts")
        return [account for row in rows if is_id(account := id_in(row))]

    def id_of(self, reference: Reference) -> str:
        """The job's id there."""
        return names.remote_id(self.instance, reference.account, reference.job)

    def knows(self, reference: Reference) -> bool:
        """Whether there can be such a job: its ids are ids, or it is one that we made under the id it has there."""
        if not reference.account:
            return names.is_ours(self.instance, reference.job)
        return is_id(reference.account) and is_id(reference.job)

    def path_of(self, reference: Reference | None = None) -> str:
        """The path of the job, or of all of them. Errors: `Gone` where there can be no such job, `Retryable`."""
        if reference is None:
            return f"/v1/{account_name(self.account)}/rlorTrainerJobs"
        if not self.knows(reference):
            raise Gone("There is no job of that name there.")
        return f"/v1/{job_name(self.account, self.id_of(reference))}"

    def trainer_path(self, reference: Reference) -> str:
        """The path below which its trainer is reached. Errors: `Retryable`."""
        return f"/training/v1/rlorTrainerJobs/{self.account}/{self.id_of(reference)}"

    def find(self, reference: Reference) -> RemoteJob | None:
        """None where the control plane itself says, twice, that there is none. Errors: `Gone`, `Retryable`."""
        path = self.path_of(reference)
        return self.read(path, self.id_of(reference))

    def read(self, path: str, identifier: str) -> RemoteJob | None:
        """What has that id at the path; None as above. Errors: `Retryable`."""
        for _ in range(2):
            try:
                return self.same(identifier, self.client.call("GET", path))
            except RemoteRefusal as error:
                if error.obstacle is not Obstacle.MISSING or not error.is_said:
                    raise
        return None

    def living(self, reference: Reference) -> RemoteJob:
        """Errors: `Gone`, also where only a tombstone is left; `Retryable`."""
        job = self.find(reference)
        if job is None:
            raise Gone(f"There is no job {self.id_of(reference)} at {self.client.host} (any more).")
        if states.word_in(job) in states.TOMBSTONES:
            raise Gone(f"The job {self.id_of(reference)} was deleted at {self.client.host}.")
        return job

    def look(self) -> RemoteJob:
        """The list of its jobs, of which one is enough to see that there is one. Errors: `KeyRefusal`, `Retryable`."""
        with _may_look():
            return self.client.call("GET", self.path_of(), {"pageSize": 1})

    def under_way(self) -> Iterator[RemoteJob]:
        """All that is not over, whoever made it. Errors: `KeyRefusal`, `Retryable`."""
        path = self.path_of()
        with _may_look():
            try:
                rows = list(self.client.pages(path, "rlorTrainerJobs", {"filter": _UNDER_WAY}))
            except RemoteRefusal as error:
                if error.obstacle is not Obstacle.INPUT:
                    raise
                # it cannot leave out what is over
                rows = list(self.client.pages(path, "rlorTrainerJobs", {"orderBy": "create_time desc"}))
        return (job for job in rows if states.word_in(job) not in states.OVER | states.TOMBSTONES)

    def create(self, reference: Reference, shape: str, body: Mapping[str, Any]) -> None:
        """Errors: `RemoteRefusal`, also where the id is taken; `Retryable`."""
        query = {"rlorTrainerJobId": self.id_of(reference), "trainingShape": shape}
        self.same(self.id_of(reference), self.client.call("POST", self.path_of(), query, body))

    def ask(self, reference: Reference, verb: str) -> None:
        """`:cancel` or `:resume`. Errors: `Retryable`."""
        self.client.call("POST", self.path_of(reference) + verb)

    def delete(self, reference: Reference) -> None:
        """Errors: `Retryable`."""
        self.client.call("DELETE", self.path_of(reference))

    def same(self, identifier: str, found: RemoteJob) -> RemoteJob:
        """What was answered, where it has that id. Errors: `Retryable`."""
        if id_in(found) != identifier:
            raise Retryable(f"{self.client.host} answered for another one than was asked for. This is tried again.")
        return found


@contextmanager
def _may_look() -> Iterator[None]:
    """A key that may not even look at the jobs is one that is not taken."""
    try:
        yield
    except RemoteRefusal as error:
        if error.obstacle is Obstacle.PERMISSION:
            raise KeyRefusal(str(error), error.obstacle, is_said=error.is_said) from None
        raise
