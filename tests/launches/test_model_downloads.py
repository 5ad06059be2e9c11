"""Models leave as checkpoints do, with what was signed about them, and are verified where they arrive."""

from __future__ import annotations

import io
import tarfile
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import Account, AuditEntry, User
from accounts.roles import Role
from accounts.scopes import Scope
from catalog.models import TrainedModel
from catalog.states import ModelState
from tests.api.makers import make_key
from tests.connections.remote import RemoteEngine
from tests.launches.weights import adapter_files, make_saved_launch, promote
from tests.makers import make_member, make_trained_model, make_user, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(settings: Settings, tmp_path: Path, team: Account, engine: RemoteEngine) -> TrainedModel:
    """A model that a launcher promoted."""
    settings.SLIPWAY_HOME = tmp_path / "home"
    settings.SLIPWAY_HOME.mkdir()
    return promote(make_saved_launch(engine, owner=make_member(account=team, role=Role.LAUNCHER), account=team))


def owner_of(model: TrainedModel) -> User:
    """Who promoted it."""
    assert model.created_by is not None
    return model.created_by


def body_of(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else bytes(answer.content)


def verify(folder: Path) -> str:
    said = StringIO()
    call_command("verify_model", str(folder), stdout=said)
    return said.getvalue()


def test_what_arrives_is_verified(made: TrainedModel, tmp_path: Path) -> None:
    owner = sign_in(Client(), owner_of(made))
    answer = owner.get("/models/team-a/mine/archive")
    assert answer.status_code == 200
    with tarfile.open(fileobj=io.BytesIO(body_of(answer))) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # from Python 3.11.4 on
        archive.extractall(tmp_path / "unpacked")
    call_command("download", made.name, str(tmp_path / "taken"), stdout=StringIO())
    files = len(adapter_files())
    for folder in ("unpacked/mine", "taken"):
        assert verify(tmp_path / folder).startswith(f"{made.name}: {files} files as signed.\n")
    manifest = owner.get("/models/team-a/mine/manifest")
    assert manifest.content == (tmp_path / "taken.manifest.json").read_bytes()
    assert AuditEntry.objects.filter(verb="download_weights", target=made.name).count() == 2


def test_who_takes_it_away(made: TrainedModel, subtests: pytest.Subtests) -> None:
    team, held = made.account, adapter_files()["tokenizer.json"]
    people = {
        "whoever made it": (owner_of(made), 200),
        "a publisher": (make_member(account=team, role=Role.PUBLISHER), 200),
        "another launcher": (make_member(account=team, role=Role.LAUNCHER), 403),
        "a viewer": (make_member(account=team, role=Role.VIEWER), 403),
        "a stranger": (make_user(), 404),
    }
    for who, (user, status) in people.items():
        with subtests.test(who):
            answer = sign_in(Client(), user).get("/models/team-a/mine/files/tokenizer.json")
            assert (answer.status_code, body_of(answer) == held) == (status, status == 200)


def test_it_leaves_by_key_and_by_a_signed_link(made: TrainedModel) -> None:
    key = make_key(account=made.account, user=owner_of(made), scope=Scope.LAUNCH)
    program = Client(headers={"X-Api-Key": key})
    part = program.get(f"/v1/{made.name}:download?path=tokenizer.json", headers={"Range": "bytes=1-"})
    assert (part.status_code, body_of(part)) == (206, b"}")
    links = program.get(f"/v1/{made.name}:getDownloadEndpoint").json()["filenameToSignedUrls"]
    assert set(links) == set(adapter_files())
    link = links["tokenizer.json"].partition("/downloads/")[2]
    assert body_of(Client().get(f"/downloads/{link}")) == b"{}"
    made.delete()
    assert Client().get(f"/downloads/{link}").status_code == 404


def test_what_is_not_ready_is_refused_in_words(made: TrainedModel) -> None:
    make_trained_model(account=made.account, model_id="half", created_by=made.created_by, state=ModelState.CREATING)
    answer = sign_in(Client(), owner_of(made)).get("/models/team-a/half/archive")
    assert answer.status_code == 422
    assert b"is not ready, so there is nothing whole to download yet" in answer.content


def test_the_page_shows_that_it_is_signed_and_by_which_key(made: TrainedModel) -> None:
    page = sign_in(Client(), owner_of(made)).get("/models/team-a/mine").content.decode()
    for words in (
        'href="/models/team-a/mine/archive"',
        'href="/models/team-a/mine/manifest"',
        'href="/signing-key.pem"',
        f"/v1/{made.name}:download",
        f"./run manage download {made.name} mine",
    ):
        assert words in page
    viewer = sign_in(Client(), make_member(account=made.account, role=Role.VIEWER))
    assert "/archive" not in viewer.get("/models/team-a/mine").content.decode()
    assert Client().get("/signing-key.pem").content.startswith(b"-----BEGIN PUBLIC KEY-----")
