"""A trainer that a program made and nobody came for ends by itself; every other one stays."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actors import key_actor, user_actor
from accounts.domain.create_api_key import create_api_key
from accounts.models import Account, User
from accounts.roles import Role
from accounts.scopes import Scope
from connections.providers.states import AttemptState, Reason
from launches.domain.apply_report import apply_report
from launches.domain.claim_attempt import claim_attempt
from launches.domain.create_launch import create_launch
from launches.domain.resume_launch import resume_launch
from launches.domain.tie_launch import tie_launch
from launches.models import Launch
from launches.tokens import trainer_token
from tests.launches.makers import attempt_of, make_tiny_version, seen
from tests.makers import make_member

pytestmark = pytest.mark.django_db
S = AttemptState
PATIENCE = timedelta(minutes=10)


@pytest.fixture
def owner(local: Account) -> User:
    return make_member(account=local, role=Role.LAUNCHER)


def make_job(owner: User, account: Account, *, name: str = "job", by_form: bool = False, **inputs: Any) -> Launch:
    """A job made with a key, as the API makes it."""
    actor = user_actor(owner)
    if not by_form:
        key, _ = create_api_key(
            actor=actor, account=account, user=owner, name=name, scope=Scope.LAUNCH, now=timezone.now(), days=30
        )
        actor = key_actor(key)
    return create_launch(
        actor=actor,
        account=account,
        version=make_tiny_version(account=account),
        inputs={"recipe": "none"} | inputs,
        idempotency_key=name,
        job_id=name,
    )


def observe(launch: Launch, state: AttemptState = S.RUNNING, *, at: datetime, **facts: Any) -> str:
    """Let the provider report it at that time, ready and unused where nothing else is said; answers the state."""
    said = {"ready": state is S.RUNNING, "session_opened": False} | facts
    claim = claim_attempt(attempt_of(launch).pk, now=timezone.now() + timedelta(days=1))
    assert claim is not None
    apply_report(claim, seen(state, **said), now=at)
    launch.refresh_from_db()
    return launch.state


def wait(launch: Launch, *, patience: timedelta = PATIENCE, **facts: Any) -> str:
    """Ready, and seen again that much later; answers the state."""
    start = timezone.now()
    assert observe(launch, at=start, **facts) == S.RUNNING
    return observe(launch, at=start + patience, **facts)


def test_a_job_that_nobody_came_for_is_ended_and_the_timeline_says_why(owner: User, local: Account) -> None:
    job = make_job(owner, local)
    assert wait(job, patience=PATIENCE - timedelta(seconds=1)) == S.RUNNING
    assert observe(job, at=timezone.now() + PATIENCE) == S.CANCELLING
    assert observe(job, S.CANCELLED, at=timezone.now(), reason=Reason.USER) == S.CANCELLED
    assert attempt_of(job).reason == Reason.UNCLAIMED
    last = job.events.order_by("sequence").last()
    assert last
    assert last.message.startswith("Cancelled: Nobody opened a session within 10 minutes after it was ready.")
    assert (last.actor_label, last.data["reason"]) == ("Slipway", "UNCLAIMED")


def test_the_time_is_a_setting(owner: User, local: Account, settings: Settings) -> None:
    settings.SLIPWAY_UNCLAIMED_MINUTES = 1
    job = make_job(owner, local)
    assert wait(job, patience=timedelta(minutes=1)) == S.CANCELLING
    observe(job, S.CANCELLED, at=timezone.now(), reason=Reason.USER)
    assert "within 1 minute after" in attempt_of(job).detail


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"session_opened": True}, id="a session was opened"),
        pytest.param({"session_opened": None}, id="the provider cannot tell"),
        pytest.param({"ready": False}, id="it does not answer"),
    ],
)
def test_what_is_used_or_unknown_stays(owner: User, local: Account, facts: dict[str, Any]) -> None:
    assert wait(make_job(owner, local), **facts) == S.RUNNING


def test_who_named_a_timeout_or_came_by_the_form_waits_as_long_as_that(owner: User, local: Account) -> None:
    assert wait(make_job(owner, local, inactivity_timeout="1800s")) == S.RUNNING
    assert wait(make_job(owner, local, name="form", by_form=True)) == S.RUNNING


def test_one_that_a_recipe_drives_waits_for_nobody(owner: User, local: Account) -> None:
    assert wait(make_job(owner, local, recipe="sample-sft")) == S.RUNNING


def test_one_that_a_deployment_is_tied_to_was_come_for(owner: User, local: Account) -> None:
    job = make_job(owner, local)
    tie_launch(job, now=timezone.now())
    assert wait(job) == S.RUNNING
    assert wait(job, session_opened=True) == S.RUNNING
    assert job.events.filter(kind="session").count() == 1, "its first session is told all the same"


def test_the_clock_starts_again_where_it_stopped_answering(owner: User, local: Account) -> None:
    job, start = make_job(owner, local), timezone.now()
    observe(job, at=start)
    observe(job, at=start + timedelta(minutes=9), ready=False)
    observe(job, at=start + timedelta(minutes=11))
    assert observe(job, at=start + timedelta(minutes=20)) == S.RUNNING
    assert observe(job, at=start + timedelta(minutes=21)) == S.CANCELLING


def test_a_session_is_told_once_and_counts_for_the_attempts_after_it(owner: User, local: Account) -> None:
    job = make_job(owner, local)
    wait(job, session_opened=True)
    assert job.events.filter(kind="session").count() == 1
    observe(job, S.FAILED, at=timezone.now(), reason=Reason.EXIT_CODE)
    resume_launch(actor=user_actor(owner), launch=job)
    assert wait(job) == S.RUNNING


def test_it_waits_while_another_job_of_the_same_user_is_starting(owner: User, local: Account) -> None:
    policy, reference = make_job(owner, local), make_job(owner, local, name="reference")
    assert wait(policy) == S.RUNNING, "the reference is queued"
    start = timezone.now()
    observe(reference, at=start, ready=False)
    assert observe(policy, at=start + PATIENCE) == S.RUNNING, "the reference runs and loads its model"
    observe(reference, at=start)
    assert observe(policy, at=start + PATIENCE) == S.CANCELLING, "both are up, and nobody came"


def test_it_does_not_wait_for_others_jobs_nor_for_launches_by_the_form(owner: User, local: Account) -> None:
    job = make_job(owner, local)
    make_job(make_member(account=local, role=Role.LAUNCHER), local, name="of-another")
    make_job(owner, local, name="form", by_form=True)
    assert wait(job) == S.CANCELLING


def test_one_that_another_secret_key_started_says_so_while_it_runs(owner: User, local: Account) -> None:
    job, start = make_job(owner, local), timezone.now()
    for token, says in (("slt-of-another-key", True), (trainer_token(job), False)):
        observe(job, at=start, token=token)
        observe(job, at=start, token=token)
        assert ("under another SLIPWAY_SECRET_KEY" in attempt_of(job).detail) == says
