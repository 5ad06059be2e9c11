"""Django's admin of the catalog: it shows, and changes nothing but by the verbs."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, User
from accounts.roles import Role
from catalog.models import BaseModel, ShapeVersion, TrainingShape
from tests.makers import make_account, make_member, make_model, make_shape, make_user, make_version, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def root() -> User:
    return make_user(username="root", superuser=True)


@pytest.fixture
def version() -> ShapeVersion:
    shape = make_shape(base_model=make_model(account=make_account(account_id="team-a")), shape_id="own")
    make_version(shape=shape, public=False)
    latest = make_version(shape=shape, public=False, gpus=2)
    return shape.versions.exclude(pk=latest.pk).select_related("shape__account").get()


def said(client: Client, version: ShapeVersion, action: str) -> str:
    """Run an action on the version, and read the messages."""
    answer = client.post(
        "/admin/catalog/shapeversion/", {"action": action, "_selected_action": [version.pk]}, follow=True
    )
    return unescape(" ".join(re.findall(r'<li class="(?:success|error)">(.*?)</li>', answer.content.decode())))


def test_it_shows_everything(client: Client, root: User, version: ShapeVersion) -> None:
    sign_in(client, root)
    for path in ("basemodel", "trainingshape", "shapeversion", f"shapeversion/{version.pk}/change"):
        assert client.get(f"/admin/catalog/{path}/").status_code == 200, path
    assert "/publish/team-a/own" in client.get("/admin/catalog/trainingshape/").content.decode()


def test_posting_changes_is_refused(client: Client, root: User, version: ShapeVersion) -> None:
    sign_in(client, root)
    before = (BaseModel.objects.count(), TrainingShape.objects.count(), ShapeVersion.objects.count())
    for name, pk in (
        ("basemodel", version.shape.base_model_id),
        ("trainingshape", version.shape_id),
        ("shapeversion", version.pk),
    ):
        for path in ("add/", f"{pk}/change/", f"{pk}/delete/"):
            answer = client.post(f"/admin/catalog/{name}/{path}", {"note": "changed", "is_public": "on", "post": "yes"})
            assert answer.status_code == 403, path
    assert (BaseModel.objects.count(), TrainingShape.objects.count(), ShapeVersion.objects.count()) == before
    version.refresh_from_db()
    assert (version.note, version.is_public) == ("", False)
    client.post(
        "/admin/catalog/shapeversion/",
        {"action": "delete_selected", "_selected_action": [version.pk], "post": "yes"},
    )
    assert ShapeVersion.objects.filter(pk=version.pk).exists()


def test_lifting_a_deprecation_is_the_verb_with_its_rights(client: Client, root: User, version: ShapeVersion) -> None:
    sign_in(client, root)
    ShapeVersion.objects.filter(pk=version.pk).update(deprecated_at=timezone.now(), deprecation_message="Old.")
    assert "There is no account team-a that you are a member of." in said(client, version, "lift_deprecation")
    make_member(account=version.shape.account, user=root, role=Role.PUBLISHER)
    assert "done" in said(client, version, "lift_deprecation")
    entry = AuditEntry.objects.latest("pk")
    assert (entry.verb, entry.actor_label, bool(entry.request_id)) == ("restore_version", "root", True)
    assert "is not deprecated" in said(client, version, "lift_deprecation")


@pytest.mark.parametrize(("action", "verb"), [("roll_back_to", "roll-back"), ("withdraw", "withdraw")])
def test_what_moves_the_latest_version_is_asked_on_its_page(
    client: Client, root: User, version: ShapeVersion, action: str, verb: str
) -> None:
    make_member(account=version.shape.account, user=root, role=Role.PUBLISHER)
    sign_in(client, root)
    answer = client.post("/admin/catalog/shapeversion/", {"action": action, "_selected_action": [version.pk]})
    assert answer.headers["Location"] == f"/publish/team-a/own/versions/{version.version_id}/{verb}"
    assert client.get(answer.headers["Location"]).status_code == 200
    version.refresh_from_db()
    assert (version.withdrawn_at, version.is_latest_validated) == (None, False)
