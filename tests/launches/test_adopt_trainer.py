"""A trainer that a connection runs and nobody here knows becomes a launch: of whom, as what, and where it cannot."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actors import user_actor
from accounts.models import Account, AuditEntry, Membership, User
from accounts.roles import Role
from catalog.models import ShapeVersion
from connections.models import Connection
from connections.providers.attempts import Observation, Reference
from connections.providers.states import AttemptState
from connections.providers.submissions import KeptSubmission
from launches.domain.adopt_trainer import adopt_trainer
from launches.domain.advance_launch import advance_launch
from launches.domain.cancel_launch import cancel_launch
from launches.domain.create_launch import create_launch
from launches.domain.observe_connection import observe_connection
from launches.domain.reconcile_launches import reconcile_launches
from launches.models import Attempt, Launch, UnknownTrainer
from tests.connections.remote import RemoteEngine
from tests.launches.makers import attempt_of, make_launch
from tests.makers import make_account, make_member, make_user, make_version, sign_in
from wire.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied

pytestmark = pytest.mark.django_db
SETTINGS: dict[str, str | float] = {"learning_rate": 2e-4, "inactivity_timeout_seconds": 1800, "display_name": "Found"}


@pytest.fixture
def version() -> ShapeVersion:
    return make_version(gpus=8)


@pytest.fixture
def root() -> User:
    return make_user(superuser=True)


def found(engine: RemoteEngine, version: ShapeVersion | None, reference: Reference, **settings: Any) -> UnknownTrainer:
    """The row of what the engine runs under that reference."""
    engine.jobs[reference] = Observation(AttemptState.RUNNING, ready=True, endpoint="https://far/x")
    if version is not None:
        engine.kept[reference] = KeptSubmission(version.name, SETTINGS | settings)
    assert reconcile_launches(Connection.objects.get(name="far").pk) == 0
    return UnknownTrainer.objects.get(account_name=reference.account, job_id=reference.job)


def member_of(account: Account, role: Role = Role.LAUNCHER) -> Membership:
    return Membership.objects.get(user=make_member(account=account, role=role), account=account)


def adopt(root: User, row: UnknownTrainer, owner: Membership | None = None, job_id: str = "") -> Launch:
    return adopt_trainer(actor=user_actor(root), trainer=row, owner=owner, job_id=job_id)


def test_on_its_page_it_becomes_a_launch_of_the_chosen_owner_and_is_one_like_all_others(
    far: Connection, engine: RemoteEngine, version: ShapeVersion, root: User
) -> None:
    owner, there = member_of(make_account(account_id="team-a")), Reference("gone", "forgotten", 1)
    row = found(engine, version, there)
    assert row.kept is not None
    assert (row.gpus, row.kept["version"]) == (8, version.name)
    client, path = sign_in(Client(), root), f"/launches/unknown/{row.pk}/adopt"
    listed = client.get("/launches/unknown").content.decode()
    assert version.name in listed
    assert path in listed
    page = client.get(path).content.decode()
    assert f"team-a: {owner.user.username}" in page
    assert "not known here: the launch is of the account that you choose" in page
    engine.calls.clear()
    answer = client.post(path, {"owner": str(owner.pk), "job_id": "taken-over"}, follow=True).content.decode()
    assert "Found is adopted" in answer
    assert engine.calls == []  # nothing is told to the connection

    launch = Launch.objects.get(job_id="taken-over")
    assert (launch.owner, launch.account, launch.display_name) == (owner.user, owner.account, "Found")
    assert (launch.spec["learning_rate"], launch.spec["inactivity_timeout_seconds"]) == (2e-4, 1800)
    assert launch.inputs["inactivity_timeout"] == "1800s"
    assert AuditEntry.objects.filter(verb="adopt_trainer", actor=root, account=owner.account).count() == 1
    Launch.objects.filter(pk=launch.pk).update(adopted_account="team-a")
    with pytest.raises(AlreadyExists, match="forgotten is taken in team-a"):
        create_launch(
            actor=user_actor(owner.user),
            account=owner.account,
            version=version,
            inputs={},
            idempotency_key="x",
            job_id="forgotten",
        )
    Launch.objects.filter(pk=launch.pk).update(adopted_account="gone")
    assert reconcile_launches(Connection.objects.get(name="far").pk) == 0
    assert not UnknownTrainer.objects.exists()

    Attempt.objects.update(next_check_at=timezone.now() - timedelta(seconds=10))
    assert observe_connection(far.pk) == 1
    seen = attempt_of(launch)
    assert (seen.state, seen.ready, seen.endpoint) == ("RUNNING", True, "https://far/x")
    numbers = list(launch.events.order_by("sequence").values_list("sequence", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    cancel_launch(actor=user_actor(owner.user), launch=launch)
    advance_launch(seen.pk)
    assert attempt_of(launch).state == "CANCELLED"
    assert engine.jobs[there].state is AttemptState.CANCELLED
    with pytest.raises(NotFound):
        adopt(root, row, owner)


def test_an_account_that_is_here_keeps_what_was_started_for_it(
    far: Connection, engine: RemoteEngine, version: ShapeVersion, root: User
) -> None:
    team, other = make_account(account_id="team-a"), member_of(make_account())
    row = found(engine, version, Reference("team-a", "forgotten", 1))
    for nobody in (None, other):
        with pytest.raises(InvalidArgument):
            adopt(root, row, nobody)
    with pytest.raises(PermissionDenied):
        adopt(root, row, member_of(team, Role.VIEWER))
    make_launch(account=team, version=version, owner=make_member(account=team))
    taken = Launch.objects.get().job_id
    with pytest.raises(AlreadyExists):
        adopt(root, row, member_of(team), taken)
    launch = adopt(root, row, member_of(team))
    assert (launch.job_id, launch.adopted_job) == ("forgotten", "")
    with pytest.raises(PermissionDenied):
        adopt(make_member(account=team, role=Role.ADMIN), row, member_of(team))


def test_a_later_attempt_of_a_launch_that_is_here_goes_on_there(
    far: Connection, engine: RemoteEngine, version: ShapeVersion, root: User
) -> None:
    launch = make_launch(version=version)
    advance_launch(attempt_of(launch).pk)
    there = Reference(launch.account.account_id, launch.job_id, 3)
    row = found(engine, version, there)
    with pytest.raises(FailedPrecondition, match="is not over here yet"):
        adopt(root, row)
    Attempt.objects.filter(launch=launch).update(state="FAILED", finished_at=timezone.now())
    assert "is attempt 3 of" in " ".join(
        sign_in(Client(), root).get(f"/launches/unknown/{row.pk}/adopt").content.decode().split()
    )
    assert adopt(root, row) == launch
    assert (attempt_of(launch).number, attempt_of(launch).state) == (3, "QUEUED")
    advance_launch(attempt_of(launch).pk)
    assert attempt_of(launch).state == "RUNNING"


def test_where_it_cannot_be_adopted_the_page_says_why(
    far: Connection, engine: RemoteEngine, version: ShapeVersion, root: User
) -> None:
    owner = member_of(make_account(account_id="team-a"))
    lost = make_launch(version=version)
    advance_launch(attempt_of(lost).pk)
    Attempt.objects.filter(launch=lost).update(state="LOST", finished_at=timezone.now())
    Launch.objects.update(state="LOST")
    ended = found(engine, version, Reference("team-a", "ended", 1))
    UnknownTrainer.objects.filter(pk=ended.pk).update(end_requested_at=timezone.now())
    elsewhere = make_version(gpus=8, public=False)
    table = {
        "does not tell which shape version": found(engine, None, Reference("team-a", "silent", 1)),
        "does not have (any more)": found(engine, elsewhere, Reference("team-a", "private", 1)),
        "is nothing that": found(engine, version, Reference("team-a", "odd", 1), learning_rate=-1.0),
        "Its end was asked for": ended,
        "Resume that launch": found(engine, version, Reference(lost.account.account_id, lost.job_id, 1)),
    }
    client = sign_in(Client(), root)
    for words, row in table.items():
        posted = client.post(f"/launches/unknown/{row.pk}/adopt", {"owner": str(owner.pk), "job_id": row.job_id})
        assert posted.status_code in (409, 422), words
        assert words in posted.content.decode()
        with pytest.raises(FailedPrecondition):
            adopt(root, row, owner)
    assert Launch.objects.count() == 1
