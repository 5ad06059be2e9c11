"""Who gets through the gateway, to which trainer, and for how long that is believed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone

from accounts.actors import SYSTEM, user_actor
from accounts.domain.create_api_key import hash_secret
from accounts.domain.remove_member import remove_member
from accounts.domain.revoke_api_key import revoke_api_key
from accounts.models import ApiKey
from accounts.origins import UNKNOWN
from accounts.roles import Role
from accounts.scopes import Scope
from catalog.states import VersionState
from connections.providers.states import AttemptState, Reason
from launches.domain.cancel_launch import cancel_launch
from launches.domain.create_launch import create_launch
from launches.domain.delete_launch import delete_launch
from launches.domain.resume_launch import resume_launch
from launches.gateway import admission
from launches.gateway.application import Gateway
from launches.models import Launch
from launches.validation_runs import ValidationRun
from tests.launches.gateway_calls import ask, asked
from tests.launches.gateway_parts import StandIn, make_key, observe, prefix_of
from tests.launches.makers import attempt_of, make_launch, make_tiny_version
from tests.makers import make_account, make_member

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.e2e]  # for how long it takes


def _of_a_member(role: Role, scope: Scope = Scope.LAUNCH) -> Callable[[Launch], str]:
    return lambda launch: make_key(make_member(account=launch.account, role=role), launch.account, scope=scope)


def _of_a_stranger(launch: Launch) -> str:
    home = make_account()
    return make_key(make_member(account=home, role=Role.ADMIN), home)


def _of_the_owner_elsewhere(launch: Launch) -> str:
    home = make_account()
    return make_key(make_member(account=home, role=Role.ADMIN, user=launch.owner), home)


def _of_the_owner(scope: Scope) -> Callable[[Launch], str]:
    return lambda launch: make_key(launch.owner, launch.account, scope=scope)


def _expired(launch: Launch) -> str:
    secret = make_key(launch.owner, launch.account, days=30)
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    return secret


def _revoked(launch: Launch) -> str:
    secret = make_key(launch.owner, launch.account)
    revoke_api_key(actor=SYSTEM, key=ApiKey.objects.get(), now=timezone.now())
    return secret


def _of_a_former_member(launch: Launch) -> str:
    member = make_member(account=launch.account)
    secret = make_key(member, launch.account)
    remove_member(actor=SYSTEM, account=launch.account, user=member, now=timezone.now())
    return secret


PEOPLE: dict[str, tuple[Callable[[Launch], str], int, int]] = {
    "nobody": (lambda launch: "", 401, 16),
    "a secret that is none": (lambda launch: "hello", 401, 16),
    "a secret that was never given out": (lambda launch: "slpw_" + "x" * 43, 401, 16),
    "the trainer's own token": (lambda launch: "slt-" + "0" * 64, 401, 16),
    "revoked": (_revoked, 401, 16),
    "expired": (_expired, 401, 16),
    "former member": (_of_a_former_member, 401, 16),
    "admin of another account": (_of_a_stranger, 404, 5),
    "owner, key of another account": (_of_the_owner_elsewhere, 404, 5),
    "viewer": (_of_a_member(Role.VIEWER, Scope.READ), 403, 7),
    "launcher, another's launch": (_of_a_member(Role.LAUNCHER), 403, 7),
    "owner, key to read": (_of_the_owner(Scope.READ), 403, 7),
    "owner": (_of_the_owner(Scope.LAUNCH), 200, 0),
    "owner, key for this job": (lambda launch: make_key(launch.owner, launch.account, job=launch.job_id), 200, 0),
    "owner, key for another job": (lambda launch: make_key(launch.owner, launch.account, job="another"), 403, 7),
    "publisher, key to read": (_of_a_member(Role.PUBLISHER, Scope.READ), 403, 7),
    "publisher": (_of_a_member(Role.PUBLISHER), 200, 0),
    "admin": (_of_a_member(Role.ADMIN), 200, 0),
}


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize(("method", "bearer"), [("GET", False), ("POST", True)])
def test_who_may_talk_to_a_trainer(launch: Launch, trainer: StandIn, person: str, method: str, bearer: bool) -> None:
    secret_for, status, code = PEOPLE[person]
    answer = asked(f"{prefix_of(launch)}/api/v1/x", secret_for(launch), method=method, bearer=bearer)
    assert answer.status == status
    assert (status == 200) == (not trainer.calls.empty())
    if code:
        assert answer.code == code
        assert str(trainer.port).encode() not in answer.body


def test_another_accounts_job_and_one_that_never_was_answer_alike(launch: Launch) -> None:
    secret = _of_a_stranger(launch)
    answers = [asked(f"/training/v1/rlorTrainerJobs/local/{job}/x", secret) for job in (launch.job_id, "no-such-job")]
    assert [answer.status for answer in answers] == [404, 404]
    assert len({answer.body.replace(launch.job_id.encode(), b"no-such-job") for answer in answers}) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/training/v1/rlorTrainerJobs/",
        "/training/v1/rlorTrainerJobs/local",
        "/training/v1/rlorTrainerJobs/local/",
        "/training/v1/rlorTrainerJobs//job/x",
        "/training/v1/rlorTrainerJobs/local%2Fjob/x",
        "/training/v1/rlorTrainerJobs/../../x",
        "/training/v1/rlorTrainerJobs/-/job/x",
        "/training/v1/rlorTrainerJobs/local/job%00/x",
        "/training/v1/rlorTrainerJobs/LOCAL/job/x",
        "/training/v1/%72lorTrainerJobs/local/job/x",
    ],
)
def test_what_names_no_job_is_not_there(path: str) -> None:
    answer = asked(path, "slpw_" + "x" * 43)
    assert (answer.status, answer.code) == (404, 5)


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        (AttemptState.QUEUED, 503, 14),
        (AttemptState.PENDING, 503, 14),
        (AttemptState.CREATING, 503, 14),
        (AttemptState.RUNNING, 503, 14),
        (AttemptState.COMPLETED, 404, 5),
        (AttemptState.FAILED, 404, 5),
        (AttemptState.CANCELLED, 404, 5),
        (AttemptState.REJECTED, 404, 5),
        (AttemptState.LOST, 404, 5),
    ],
)
def test_a_trainer_that_does_not_listen(state: AttemptState, status: int, code: int) -> None:
    launch = make_launch()
    if state is not AttemptState.QUEUED:
        observe(launch, state, reason=Reason.EXIT_CODE if state is AttemptState.FAILED else None)
    answer = asked(f"{prefix_of(launch)}/api/v1/healthz", make_key(launch.owner, launch.account))
    assert (answer.status, answer.code) == (status, code)
    assert (b"retry-after" in answer.headers) == (status == 503), "only what will pass is worth repeating"


def test_a_deleted_launch_is_not_there(launch: Launch) -> None:
    secret = make_key(launch.owner, launch.account)
    delete_launch(actor=user_actor(launch.owner), launch=launch)
    assert asked(f"{prefix_of(launch)}/x", secret).status == 404


@pytest.mark.parametrize(
    "endpoint",
    ["https://127.0.0.1:1", "http://127.0.0.1", "unix:/run/x", "http://", "http://127.0.0.1:99999", "http://[::1"],
)
def test_an_endpoint_that_cannot_be_reached_is_a_502(launch: Launch, endpoint: str) -> None:
    observe(launch, AttemptState.RUNNING, endpoint=endpoint)
    answer = asked(f"{prefix_of(launch)}/x", make_key(launch.owner, launch.account))
    assert (answer.status, answer.code) == (502, 14)


def test_what_is_believed_is_believed_for_less_than_five_seconds(launch: Launch, monkeypatch: Any) -> None:
    assert admission.REMEMBER_SECONDS < 5
    monkeypatch.setattr(admission, "REMEMBER_SECONDS", 0.2)
    secret, path = make_key(launch.owner, launch.account), f"{prefix_of(launch)}/x"

    async def test() -> None:
        gateway = Gateway()
        assert (await ask(gateway, path, secret)).status == 200
        await asyncio.to_thread(_in_thread, lambda: ApiKey.objects.update(revoked_at=timezone.now()))
        async with asyncio.timeout(60):
            while (answer := await ask(gateway, path, secret)).status == 200:
                await asyncio.sleep(0.02)
        assert answer.status == 401

    async_to_sync(test)()


def _in_thread(act: Callable[[], Any]) -> None:
    from django.db import connections

    try:
        act()
    finally:
        connections.close_all()


def test_a_thousand_requests_ask_the_database_once(launch: Launch, monkeypatch: Any) -> None:
    secret = make_key(launch.owner, launch.account)
    looked_up, look_up = [], admission._look_up

    async def counting(*question: Any) -> Any:
        looked_up.append(question)
        return await look_up(*question)

    monkeypatch.setattr(admission, "_look_up", counting)

    async def test() -> None:
        desk = admission.Admission()
        question = admission.AdmissionRequest(hash_secret(secret), "local", launch.job_id)
        admitted = await asyncio.gather(*(desk.admit(question, secret) for _ in range(1000)))
        assert len({answer.token for answer in admitted}) == 1

    async_to_sync(test)()
    assert len(looked_up) == 1


def test_what_is_remembered_is_bounded_and_holds_no_secret(launch: Launch, monkeypatch: Any) -> None:
    monkeypatch.setattr(admission, "MOST_REMEMBERED", 3)
    secrets = [make_key(launch.owner, launch.account) for _ in range(5)]

    async def test() -> None:
        desk = admission.Admission()
        for secret in secrets:
            await desk.admit(admission.AdmissionRequest(hash_secret(secret), "local", launch.job_id), secret)
        assert len(desk._known) == 3
        assert not any(secret in repr(desk._known) for secret in secrets)

    async_to_sync(test)()


def test_a_resumed_launch_is_not_over_from_the_moment_it_is_resumed(launch: Launch) -> None:
    """The client takes a 404, and a state that is final, for the end: neither may be seen once resume has answered."""
    secret, path = make_key(launch.owner, launch.account), f"{prefix_of(launch)}/api/v1/healthz"
    observe(launch, AttemptState.FAILED, reason=Reason.EXIT_CODE)
    assert asked(path, secret).status == 404
    resume_launch(actor=user_actor(launch.owner), launch=launch)
    launch.refresh_from_db()
    assert launch.state == attempt_of(launch).state == AttemptState.QUEUED
    assert asked(path, secret).status == 503


def test_a_resumed_launchs_trainer_is_found_where_it_is_now(launch: Launch, trainer: StandIn) -> None:
    secret, path = make_key(launch.owner, launch.account), f"{prefix_of(launch)}/api/v1/healthz"
    second = StandIn()

    def resume() -> None:
        observe(launch, AttemptState.FAILED, reason=Reason.EXIT_CODE)
        resume_launch(actor=user_actor(launch.owner), launch=launch)
        observe(launch, AttemptState.RUNNING, endpoint=second.endpoint)

    async def test() -> None:
        gateway = Gateway()
        assert (await ask(gateway, path, secret)).status == 200
        await asyncio.to_thread(_in_thread, resume)
        trainer.close()
        assert (await ask(gateway, path, secret)).status == 200

    async_to_sync(test)()
    assert second.calls.qsize() == 1
    second.close()


def test_a_launch_that_is_being_cancelled_still_answers(launch: Launch) -> None:
    cancel_launch(actor=user_actor(launch.owner), launch=launch)
    assert asked(f"{prefix_of(launch)}/api/v1/healthz", make_key(launch.owner, launch.account)).status == 200


def test_a_request_after_resume_is_not_told_what_one_before_it_asked(launch: Launch, monkeypatch: Any) -> None:
    """Both ask at the same time; what the first found over is resumed before the second comes."""
    secret, path = make_key(launch.owner, launch.account), f"{prefix_of(launch)}/api/v1/healthz"
    observe(launch, AttemptState.FAILED, reason=Reason.EXIT_CODE)
    look_up, read, resumed = admission._look_up, asyncio.Event(), asyncio.Event()

    async def slowly(*question: Any) -> Any:
        try:
            return await look_up(*question)
        finally:
            read.set()
            await resumed.wait()

    monkeypatch.setattr(admission, "_look_up", slowly)

    async def test() -> None:
        gateway = Gateway()
        before = asyncio.create_task(ask(gateway, path, secret))
        await read.wait()
        await asyncio.to_thread(_in_thread, lambda: resume_launch(actor=user_actor(launch.owner), launch=launch))
        after = [asyncio.create_task(ask(gateway, path, secret)) for _ in range(10)]
        await asyncio.sleep(0)  # they join the one that is under way
        resumed.set()
        assert (await before).status == 404
        assert {(await answer).status for answer in after} == {503}

    async_to_sync(test)()


def test_a_request_asks_the_database_two_things(launch: Launch, django_assert_num_queries: Any) -> None:
    """Whose key it is and what role the person has, and where the trainer is (job and attempt at the same moment).

    Once a minute the key's use is noted, too.
    """
    secret = make_key(launch.owner, launch.account)
    assert asked(f"{prefix_of(launch)}/x", secret).status == 200
    with django_assert_num_queries(2):
        admission.look_up_trainer(secret, "local", launch.job_id, UNKNOWN)


@pytest.mark.parametrize("role", [Role.PUBLISHER, Role.ADMIN])
def test_a_validations_trainer_is_driven_by_the_validation_alone(trainer: StandIn, role: Role) -> None:
    version = make_tiny_version(state=VersionState.VALIDATING)
    publisher = make_member(account=version.shape.account, role=Role.PUBLISHER)
    launch = create_launch(
        actor=user_actor(publisher),
        account=version.shape.account,
        version=version,
        inputs={},
        idempotency_key="k",
        validation_run=ValidationRun(steps=5),
    )
    observe(launch, AttemptState.RUNNING, endpoint=trainer.endpoint)
    user = publisher if role is Role.PUBLISHER else make_member(account=launch.account, role=role)
    answer = asked(f"{prefix_of(launch)}/api/v1/healthz", make_key(user, launch.account))
    assert (answer.status, answer.code) == (403, 7)
    assert b"validation" in answer.body
    assert trainer.calls.empty()
