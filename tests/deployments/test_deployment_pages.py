"""The list of deployments, a deployment's page and panel, scaling and deleting, through their URLs."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Account, AuditEntry, User
from accounts.roles import Role
from catalog.models import ShapeVersion
from connections.models import Connection
from connections.providers.states import AttemptState
from deployments.models import Deployment
from deployments.states import DeploymentState
from launches.models import Launch
from tests.connections.remote import registered
from tests.deployments.engine import RUNS, SERVING, Samplers, ServingEngine
from tests.deployments.makers import make_deployment
from tests.launches.makers import bring_to, make_launch
from tests.makers import make_account, make_member, sign_in

pytestmark = pytest.mark.django_db
NAMED = re.compile(r'href="/deployments/[0-9a-f-]{36}">([a-z0-9-]+)</a>')
NEXT = re.compile(r'href="([^"]+)" rel="next"')
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def near(samplers: Samplers) -> Connection:
    return Connection.objects.get(name="near")


@pytest.fixture
def page(client: Client, lena: User) -> Client:
    return sign_in(client, lena)


def make(team: Account, lena: User, version: ShapeVersion, near: Connection, **facts: Any) -> Deployment:
    return make_deployment(owner=lena, account=team, version=version, **{"connection": near} | facts)


def at(row: Deployment, end: str = "") -> str:
    return f"/deployments/{row.uid}{end}"


def gone(owner: User, account: Account) -> Launch:
    """A trainer that is over."""
    launch = make_launch(owner=owner, account=account)
    bring_to(launch, AttemptState.COMPLETED)
    return launch


def ids(answer: Any) -> list[str]:
    return NAMED.findall(answer.content.decode())


def test_the_list_is_filtered_by_its_address(
    page: Client, team: Account, lena: User, version: ShapeVersion, near: Connection
) -> None:
    noor = make_member(account=team, role=Role.PUBLISHER)
    make(team, lena, version, near, deployment_id="asleep", replicas=0, state=DeploymentState.READY)
    make(team, noor, version, near, deployment_id="theirs", state=DeploymentState.FAILED)
    make(team, lena, version, near, deployment_id="orphan", trainer=gone(lena, team), state=DeploymentState.READY)
    make(team, lena, version, near, deployment_id="tied", trainer=make_launch(owner=lena, account=team))
    make(team, lena, version, near, deployment_id="past", state=DeploymentState.DELETED, finished_at=timezone.now())
    elsewhere = make_member(role=Role.PUBLISHER)
    make(make_account(account_id="other"), elsewhere, version, near, deployment_id="other")
    shape = f"{team.account_id}/{version.shape.shape_id}"
    expected = {
        "": ["tied", "orphan", "theirs", "asleep"],
        "owner=me": ["tied", "orphan", "asleep"],
        "state=FAILED": ["theirs"],
        "state=asleep": ["asleep"],
        "state=orphaned": ["orphan"],
        "state=DELETED": ["past"],
        "connection=near&owner=me&state=orphaned": ["orphan"],
        "connection=far": [],
        f"shape={shape}": ["tied", "orphan", "theirs", "asleep"],
        "shape=team-a/other": [],
    }
    assert {asked: ids(page.get(f"/deployments?{asked}")) for asked in expected} == expected
    refused = page.get("/deployments?state=odd")
    assert (refused.status_code, b"odd is no state" in refused.content) == (422, True)
    odd = {name: page.get(f"/deployments?{name}=%00").status_code for name in ("connection", "shape", "owner", "since")}
    assert odd == {"connection": 422, "shape": 200, "owner": 422, "since": 422}
    told = page.get("/deployments/orphans").content.decode()
    assert "orphan" in told
    assert "tied" not in told


def test_the_list_asks_the_database_as_often_for_many_as_for_few(
    page: Client, team: Account, lena: User, version: ShapeVersion, near: Connection
) -> None:
    page.get("/deployments")

    def counted() -> int:
        with CaptureQueriesContext(database) as queries:
            assert page.get("/deployments").status_code == 200
        return len(queries)

    make(team, lena, version, near, deployment_id="first", trainer=gone(lena, team))
    few = counted()
    for number in range(52):
        make(team, lena, version, near, deployment_id=f"d{number}", trainer=make_launch(owner=lena, account=team))
    assert counted() == few
    answer = page.get("/deployments")
    following = NEXT.search(answer.content.decode())
    assert following
    assert (len(ids(answer)), len(ids(page.get(f"/deployments{unescape(following[1])}")))) == (50, 3)


def test_an_empty_list_says_how_a_deployment_comes_to_be(page: Client) -> None:
    assert b"press Deploy" in page.get("/deployments").content


@pytest.mark.parametrize(
    ("facts", "label", "words"),
    [
        ({}, "Creating", "a worker is about to start"),
        ({"state": "READY", "ready_replicas": 1, "endpoint": "http://127.0.0.1:9"}, "Ready", "http://127.0.0.1:9"),
        ({"state": "READY"}, "Ready", "does not any more"),
        ({"state": "READY", "replicas": 0}, "Scaled to 0", "a cold start"),
        ({"state": "READY", "replicas": 0, "max_replicas": 0}, "Scaled to 0", "Raise the most replicas"),
        ({"state": "UPDATING"}, "Updating", "Another number of samplers"),
        ({"state": "FAILED", "detail": EVIL}, "Failed", "Try again starts its sampler anew"),
        ({"state": "DELETING"}, "Deleting", "what runs of it is ending"),
        ({"state": "DELETED", "finished_at": timezone.now()}, "Deleted", "Its id is free again"),
    ],
)
def test_the_page_says_how_it_stands(
    page: Client, team: Account, lena: User, version: ShapeVersion, near: Connection,
    facts: dict[str, Any], label: str, words: str,
) -> None:  # fmt: skip
    row = make(team, lena, version, near, log_tail=EVIL, said={"description": EVIL}, **facts)
    for path in (at(row), at(row, "/panel")):
        told = page.get(path).content.decode()
        assert (f'">{label}</span>' in told, words in told, EVIL in told) == (True, True, False)
    alive = facts.get("state") not in ("DELETING", "DELETED")
    assert ("/inference/v1/completions" in told, "/delete" in told) == (alive, alive)


def test_a_connection_that_tells_no_log_says_so(
    page: Client, team: Account, lena: User, version: ShapeVersion, near: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make(team, lena, version, near)
    assert "Near tells no log of its samplers." in page.get(at(row)).content.decode()
    with registered(monkeypatch, SERVING, ServingEngine(capabilities=replace(RUNS, has_files=True))):
        assert "Nothing logged yet." in page.get(at(row)).content.decode()


def test_an_orphan_says_since_when_and_a_silent_connection_is_told(
    page: Client, team: Account, lena: User, version: ShapeVersion, near: Connection
) -> None:
    trainer = gone(lena, team)
    row = make(team, lena, version, near, trainer=trainer, state="READY", ready_replicas=1)
    assert b"Its trainer is gone since" in page.get(at(row)).content
    Connection.objects.filter(pk=near.pk).update(unreachable_since=timezone.now() - timedelta(hours=1), failures=3)
    assert b"does not answer since" in page.get(at(row)).content
    Launch.objects.filter(pk=trainer.pk).update(state=AttemptState.RUNNING)
    assert b"Its trainer is gone since" not in page.get(at(row)).content


def test_it_is_scaled_on_its_page(
    page: Client, team: Account, lena: User, version: ShapeVersion, near: Connection
) -> None:
    row = make(team, lena, version, near, state="READY", ready_replicas=1)
    refused = page.post(at(row, "/scale"), {"min_replicas": "x", "max_replicas": "7"})
    told = refused.content.decode()
    assert (refused.status_code, "is no whole number" in told, 'value="7"' in told) == (422, True, True)
    assert page.post(at(row, "/scale"), {"min_replicas": "2", "max_replicas": "1"}).status_code == 422
    many = page.post(at(row, "/scale"), {"min_replicas": "0", "max_replicas": "5"})
    assert (many.status_code, b"5 are more than 4." in many.content) == (422, True)
    assert page.post(at(row, "/scale"), {"min_replicas": "0", "max_replicas": "0"}).status_code == 303
    row.refresh_from_db()
    assert (row.state, row.max_replicas, row.replicas) == ("UPDATING", 0, 0)
    assert AuditEntry.objects.get(verb="update_deployment").actor_label == lena.get_username()


def test_it_is_deleted_once_somebody_has_read_what_that_touches(
    page: Client, team: Account, lena: User, version: ShapeVersion, near: Connection
) -> None:
    row = make(team, lena, version, near, trainer=make_launch(owner=lena, account=team), state="READY")
    assert b"It loses its sampler" in page.get(at(row, "/delete")).content
    assert page.post(at(row, "/delete")).status_code == 303
    row.refresh_from_db()
    assert row.state == DeploymentState.DELETING
    colleague = make_member(account=team, role=Role.LAUNCHER)
    assert sign_in(Client(), colleague).get(at(row, "/delete")).status_code == 403
