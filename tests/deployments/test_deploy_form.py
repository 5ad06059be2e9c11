"""The form that makes a deployment, and its preview, through their URLs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, User
from accounts.roles import Role
from catalog.models import ShapeVersion
from connections.models import Connection
from deployments.models import Deployment
from deployments.pages import deploy_form
from launches.models import Launch
from tests.connections.remote import make_connection
from tests.deployments.engine import SERVING, Samplers
from tests.launches.makers import make_launch
from tests.makers import make_account, make_member, make_shape, make_version, sign_in

pytestmark = pytest.mark.django_db
FORM = "/shapes/team-a/sampler/deploy"


@pytest.fixture
def page(client: Client, lena: User) -> Client:
    return sign_in(client, lena)


@pytest.fixture
def typed(version: ShapeVersion) -> dict[str, str]:
    return {
        "deployment_id": "mine",
        "base_model": version.shape.base_model.name,
        "description": "For the demo",
        "min_replicas": "1",
        "max_replicas": "2",
        "form_key": "0123456789abcdef",
        "account": "team-a",
    }


def trainer_of(team: Account, lena: User, version: ShapeVersion, connection: str) -> Launch:
    trains = make_version(shape=make_shape(base_model=version.shape.base_model, account=team))
    launch = make_launch(owner=lena, account=team, version=trains)
    Launch.objects.filter(pk=launch.pk).update(connection=Connection.objects.get(name=connection))
    return launch


def test_the_shapes_page_leads_to_a_form_that_deploys_as_it_stands(
    page: Client, samplers: Samplers, version: ShapeVersion
) -> None:
    assert f'href="{FORM}"' in page.get("/shapes/team-a/sampler").content.decode()
    told = page.get(FORM).content.decode()
    fields = dict(re.findall(r'name="([a-z_]+)" type="text" value="([^"]*)"', told))
    key = re.search(r'name="form_key" value="([0-9a-f]{32})"', told)
    assert key
    assert fields["deployment_id"] == f"sampler-{key[1][:6]}"
    assert "on Near" in told
    assert page.post(FORM, fields | {"form_key": key[1]}).status_code == 303
    row = Deployment.objects.get()
    assert (row.deployment_id, row.min_replicas, row.max_replicas) == (fields["deployment_id"], 0, 1)


def test_a_form_sent_twice_makes_one_and_a_taken_id_is_told(
    page: Client, samplers: Samplers, version: ShapeVersion, typed: dict[str, str]
) -> None:
    first, again = page.post(FORM, typed), page.post(FORM, typed)
    row = Deployment.objects.get()
    assert (first.status_code, again.status_code) == (303, 303)
    assert first["Location"] == again["Location"] == f"/deployments/{row.uid}"
    assert (row.said, row.min_replicas, row.max_replicas) == ({"description": "For the demo"}, 1, 2)
    other = page.post(FORM, typed | {"form_key": "another", "description": "Kept"})
    assert (other.status_code, b"is there already" in other.content, b"Kept" in other.content) == (409, True, True)
    assert Deployment.objects.count() == 1


def test_what_is_wrong_is_told_at_its_field_and_nothing_typed_is_lost(
    page: Client, samplers: Samplers, version: ShapeVersion, typed: dict[str, str]
) -> None:
    wrong = {
        "deployment_id": "No Id!",
        "base_model": "accounts/x/models/none",
        "description": "d" * 1001,
        "min_replicas": "many",
        "max_replicas": "65",
        "trainer": "nobodys",
        "connection": "nowhere",
    }
    answer = page.post(FORM, typed | wrong)
    told = answer.content.decode()
    assert answer.status_code == 422
    fields = [name for name in wrong if f'href="#id_{name}"' in told]
    assert fields == [name for name in wrong if name != "max_replicas"]  # read only beside a least that can be read
    assert all(value in told for value in wrong.values())
    answer = page.post(FORM, typed | {"min_replicas": "3"})
    assert (answer.status_code, b'href="#id_max_replicas"' in answer.content) == (422, True)
    for name, value in typed.items():  # none of which the database could hold
        answer = page.post(FORM, typed | {"description": "d" * 1001, name: f"{value}\0"})
        assert (answer.status_code, b"sampler" in answer.content) == (409 if name == "account" else 422, True), name
    assert page.get(f"/deployments/try?serve={typed['base_model']}%00").status_code == 404
    assert not Deployment.objects.exists()


def test_it_runs_where_its_trainer_does_or_where_somebody_chose(
    page: Client, samplers: Samplers, version: ShapeVersion, team: Account, lena: User, typed: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    make_connection(name="far", kind=SERVING)
    trainer = trainer_of(team, lena, version, "far")
    assert f'<option value="{trainer.job_id}">' in page.get(FORM).content.decode()
    assert page.post(FORM, typed | {"trainer": trainer.job_id}).status_code == 303
    assert page.post(FORM, typed | {"deployment_id": "chosen", "connection": "far"}).status_code == 303
    assert page.post(FORM, typed | {"deployment_id": "first"}).status_code == 303
    monkeypatch.setattr(deploy_form, "MOST_TRAINERS", 0)  # of one that is older than those of the list
    assert f'value="{trainer.job_id}" selected' in page.get(f"{FORM}?trainer={trainer.job_id}").content.decode()
    older = page.post(FORM, typed | {"deployment_id": "older", "trainer": trainer.job_id})
    assert (older.status_code, Deployment.objects.filter(deployment_id="older").delete()[0]) == (303, 1)
    rows = Deployment.objects.order_by("pk").values_list("connection__name", "trainer")
    assert list(rows) == [("far", trainer.pk), ("far", None), ("near", None)]
    parted = page.post(FORM, typed | {"deployment_id": "parted", "trainer": trainer.job_id, "connection": "near"})
    assert (parted.status_code, b"cannot run on Near" in parted.content) == (422, True)
    assert page.get(f"{FORM}?trainer={trainer.job_id}").content.count(b"on Far") == 1


def test_the_preview_says_gpus_place_and_what_no_connection_can(
    page: Client, samplers: Samplers, team: Account, version: ShapeVersion, typed: dict[str, str]
) -> None:
    shape = make_shape(base_model=version.shape.base_model, account=team, shape_id="large", kind=version.shape.kind)
    make_version(shape=shape, gpus=8)

    def preview(path: str = "/shapes/team-a/large/deploy", **changes: str) -> str:
        return page.post(f"{path}/preview", typed | changes).content.decode()

    assert "8 to 16 GPUs in all (8 a replica) · on Near" in preview()
    assert "8 GPUs in all · on Near" in preview(max_replicas="1")
    assert "No GPU: runs on the CPU · on Near" in preview(FORM)
    many = preview(max_replicas="5")
    assert "5 are more than 4." in many and "Not possible as it stands" in many
    assert "disabled" not in many  # without scripts another value is tried by pressing it
    sent = page.post(FORM, typed | {"max_replicas": "5"})
    assert (sent.status_code, b"5 are more" in sent.content, b'value="mine"' in sent.content) == (422, True, True)
    assert "is no whole number" in preview(min_replicas="x")


def test_who_may_not_deploy_is_told_before_they_fill_it_in(
    samplers: Samplers, version: ShapeVersion, team: Account, typed: dict[str, str]
) -> None:
    viewer = sign_in(Client(), make_member(account=team, role=Role.VIEWER))
    assert b"You cannot deploy it" in viewer.get(FORM).content
    refused: Any = viewer.post(FORM, typed)
    assert (refused.status_code, b"For the demo" in refused.content) == (403, True)
    switched = make_member(account=make_account(account_id="team-b"), role=Role.LAUNCHER)
    moved = sign_in(Client(), switched).post(FORM, typed)
    assert (moved.status_code, b"This form was opened for account team-a" in moved.content) == (409, True)
