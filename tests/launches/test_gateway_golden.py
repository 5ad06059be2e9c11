"""Every refusal of the gateway's own, compared whole with a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accounts.roles import Role
from connections.providers.states import AttemptState, Reason
from launches.models import Attempt, Launch
from tests.golden import check_golden
from tests.launches.gateway_calls import asked, exhausted_database
from tests.launches.gateway_parts import StandIn, make_key, observe, prefix_of
from tests.makers import make_member

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]  # for how long it takes
GOLDEN = Path(__file__).resolve().parent / "golden"


@pytest.fixture
def job(launch: Launch) -> Launch:
    """A launch with a trainer and a name that stays."""
    Launch.objects.filter(pk=launch.pk).update(job_id="job-1")
    launch.refresh_from_db()
    return launch


def _fail(job: Launch, trainer: StandIn) -> None:
    observe(job, AttemptState.FAILED, reason=Reason.EXIT_CODE)


def _move_elsewhere(job: Launch, trainer: StandIn) -> None:
    observe(job, AttemptState.RUNNING, endpoint="unix:///run/trainer")


def _load(job: Launch, trainer: StandIn) -> None:
    Attempt.objects.filter(launch=job).update(state=AttemptState.CREATING, endpoint="", detail="Installing torch.")


def _become_a_probe(job: Launch, trainer: StandIn) -> None:
    Launch.objects.filter(pk=job.pk).update(spec=job.spec | {"recipe": "validation"})


OF_THE_OWNER: dict[str, Callable[[Launch, StandIn], None]] = {
    "over": _fail,
    "a_validations": _become_a_probe,
    "unreachable": lambda job, trainer: trainer.close(),
    "unknown_endpoint": _move_elsewhere,
    "starting": _load,
}


@pytest.mark.parametrize("name", OF_THE_OWNER)
def test_what_the_owner_of_a_job_is_refused(job: Launch, trainer: StandIn, name: str) -> None:
    OF_THE_OWNER[name](job, trainer)
    _check(name, job, make_key(job.owner, job.account))


def test_what_others_are_refused(job: Launch) -> None:
    _check("unauthenticated", job, "")
    colleague = make_member(account=job.account, role=Role.LAUNCHER, username="cora")
    _check("permission_denied", job, make_key(colleague, job.account))


def test_what_is_nowhere(job: Launch) -> None:
    secret = make_key(job.owner, job.account)
    Launch.objects.filter(pk=job.pk).update(job_id="job-2")
    _check("no_job", job, secret)
    job.job_id = "JOB"
    _check("no_address", job, secret)


def test_what_cannot_be_passed_on(job: Launch) -> None:
    secret = make_key(job.owner, job.account)
    _check("method", job, secret, method="TRACE")
    _check("length", job, secret, fields=[(b"content-length", b"x")])


@pytest.mark.parametrize("limit", ["MOST_OPEN", "MOST_OF_ONE_ACCOUNT"])
def test_what_too_many_requests_are_told(job: Launch, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(f"launches.gateway.application.{limit}", 0)
    _check(limit.lower(), job, make_key(job.owner, job.account))


def test_what_a_database_out_of_reach_makes_of_it(job: Launch) -> None:
    secret = make_key(job.owner, job.account)
    with exhausted_database():
        _check("no_database", job, secret)


def _check(name: str, job: Launch, secret: str, **options: Any) -> None:
    answer = asked(f"{prefix_of(job)}/api/v1/healthz", secret, **options)
    check_golden(GOLDEN / f"{name}.json", answer.status, json.loads(answer.body))


def test_every_file_is_somebodys() -> None:
    others = {"unauthenticated", "permission_denied", "no_job", "no_address", "method", "length", "no_database"}
    assert {path.stem for path in GOLDEN.iterdir()} == {*OF_THE_OWNER, *others, "most_open", "most_of_one_account"}
