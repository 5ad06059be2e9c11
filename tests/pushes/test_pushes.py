"""Models and checkpoints are pushed to a directory and to a bucket: whole, or seen not to be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actors import SYSTEM, user_actor
from accounts.models import Account, AuditEntry, User
from accounts.roles import Role
from catalog.domain.remove_model import remove_model
from catalog.models import TrainedModel
from connections.domain.remove_destination import remove_destination
from connections.domain.set_destination import set_destination
from connections.models import Destination
from connections.stores import Store, StoreError
from launches.models import Checkpoint
from pushes.domain.advance_push import MOST_FAILURES, advance_push
from pushes.domain.start_push import start_push
from pushes.domain.sweep_pushes import sweep_pushes
from pushes.models import Push
from pushes.states import PushState
from queues.leases import OVERDUE
from tests.connections.bucket import KEY_ID, SECRET, FakeStorage, running_storage
from tests.connections.remote import RemoteEngine
from tests.launches.weights import adapter_files, make_saved_launch, promote
from tests.makers import make_member, make_user, sign_in
from wire.errors import InvalidArgument, PermissionDenied

pytestmark = pytest.mark.django_db
FILES = sorted(adapter_files())


@pytest.fixture(scope="module")
def storage() -> Iterator[FakeStorage]:
    with running_storage() as running:
        yield running


@pytest.fixture
def made(settings: Settings, tmp_path: Path, team: Account, engine: RemoteEngine) -> TrainedModel:
    """A model that a launcher promoted."""
    settings.SLIPWAY_HOME = tmp_path / "home"
    settings.SLIPWAY_HOME.mkdir()
    engine.capabilities = replace(engine.capabilities, holds_weights=True)
    return promote(make_saved_launch(engine, owner=make_member(account=team, role=Role.LAUNCHER), account=team))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A directory that is the destination `archive`."""
    (tmp_path / "archive").mkdir()
    set_destination(actor=SYSTEM, name="archive", address=str(tmp_path / "archive"))
    return tmp_path / "archive"


def owner_of(model: TrainedModel) -> User:
    """Who promoted it."""
    assert model.created_by is not None
    return model.created_by


def pushed(source: TrainedModel | Checkpoint, destination: str = "archive", *, steps: int = 1) -> Push:
    """Started, and taken further by a worker."""
    push = start_push(actor=SYSTEM, source=source, destination=destination)
    for _ in range(steps):
        Push.objects.filter(pk=push.pk).update(next_check_at=timezone.now())
        advance_push(push.pk)
    push.refresh_from_db()
    return push


def verified(folder: Path) -> str:
    """What `manage verify_model` says."""
    said = StringIO()
    call_command("verify_model", str(folder), stdout=said)
    return said.getvalue()


def test_a_model_lies_in_the_directory_as_it_was_signed(made: TrainedModel, archive: Path) -> None:
    push = pushed(made)
    assert (push.state, push.detail, push.sent_bytes, push.lease_token) == (PushState.DONE, "", made.size_bytes, None)
    assert push.place == "team-a/models/mine"
    assert verified(archive / push.place).startswith(f"{made.name}: {len(FILES)} files as signed.\n")
    assert AuditEntry.objects.get(verb="push_weights").after == {
        "destination": "archive",
        "address": f"{archive}/team-a/models/mine",
    }


def test_a_checkpoint_lies_there_with_a_manifest_of_its_own(made: TrainedModel, archive: Path) -> None:
    push = pushed(Checkpoint.objects.get())
    assert (push.state, push.detail) == (PushState.DONE, "")
    assert push.place == f"team-a/rlorTrainerJobs/{made.job_id}/sampler/final"
    assert f"/checkpoints/final: {len(FILES)} files as signed." in verified(archive / push.place)


def test_a_bucket_gets_the_same_and_the_manifest_last(made: TrainedModel, storage: FakeStorage) -> None:
    said = storage.address
    told = {"address": said.address, "endpoint": said.endpoint, "key_id": KEY_ID, "secret": SECRET}
    set_destination(actor=SYSTEM, name="bucket", **told)
    push = pushed(made, "bucket")
    assert (push.state, push.detail) == (PushState.DONE, "")
    there = [f"slipway/team-a/models/mine/{path}" for path in FILES]
    assert storage.objects() == sorted([*there, "slipway/team-a/models/mine.manifest.json"])
    for path, content in adapter_files().items():
        assert storage.content(f"slipway/team-a/models/mine/{path}") == content
    storage.put("slipway/team-a/models/mine/tokenizer.json", b"[]")  # somebody else's hand
    assert pushed(made, "bucket").state == PushState.DONE
    assert storage.content("slipway/team-a/models/mine/tokenizer.json") == b"{}"
    row = Destination.objects.get()
    assert SECRET not in json.dumps([row.secret, *map(str, AuditEntry.objects.values_list("after", flat=True))])


def test_a_worker_that_died_costs_one_file(made: TrainedModel, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        """As a worker that is killed."""

    written: list[str] = []
    write = Store.write

    def counting(self: Store, path: str, chunks: Any, **options: Any) -> None:
        if len(written) == 2:
            written.append("killed")
            raise Killed
        written.append(path)
        write(self, path, chunks, **options)

    monkeypatch.setattr(Store, "write", counting)
    push = start_push(actor=SYSTEM, source=made, destination="archive")
    with pytest.raises(Killed):
        advance_push(push.pk)
    assert not (archive / "team-a/models/mine.manifest.json").exists()
    assert advance_push(push.pk) is None  # its lease is not over
    Push.objects.update(lease_until=timezone.now(), next_check_at=timezone.now())
    advance_push(push.pk)
    push.refresh_from_db()
    names = [path.rpartition("/")[2] for path in written]
    assert (push.state, names) == (PushState.DONE, [*FILES[:2], "killed", FILES[2], "mine.manifest.json"])
    verified(archive / push.place)


def test_what_is_half_there_is_written_anew_and_what_is_whole_is_left(
    made: TrainedModel, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = archive / "team-a/models/mine"
    folder.mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_bytes(adapter_files()["adapter_model.safetensors"][:-1])
    (folder / "tokenizer.json").write_bytes(b"[]")  # as long as it should be
    assert pushed(made).state == PushState.DONE
    verified(folder)
    monkeypatch.setattr(Store, "write", lambda *_, **__: pytest.fail("all of it is there"))
    assert pushed(made).state == PushState.DONE


def test_what_is_there_under_its_name_is_never_overwritten(
    made: TrainedModel, archive: Path, subtests: pytest.Subtests
) -> None:
    folder, manifest = archive / "team-a/models/mine", archive / "team-a/models/mine.manifest.json"
    with subtests.test("a file that is not of it"):
        folder.mkdir(parents=True)
        (folder / "other.bin").touch()
        push = pushed(made)
        assert (push.state, "holds what is not of accounts/team-a/models/mine: other.bin" in push.detail) == (
            PushState.FAILED,
            True,
        )
        assert [path.name for path in folder.iterdir()] == ["other.bin"]
        (folder / "other.bin").unlink()
    with subtests.test("something else, whole"):
        manifest.write_text("{}")
        push = pushed(made)
        assert push.state == PushState.FAILED
        assert "is of something else that was pushed under this name" in push.detail
        assert list(folder.iterdir()) == []


def test_a_destination_that_cannot_be_used_is_told_in_words(made: TrainedModel, archive: Path) -> None:
    archive.rmdir()
    push = pushed(made)
    assert push.state == PushState.FAILED
    assert "There is no directory" in push.detail
    assert not archive.exists()


def test_what_may_pass_is_tried_again_and_not_for_ever(
    made: TrainedModel, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(_: Store) -> None:
        raise StoreError("It does not answer.")

    monkeypatch.setattr(Store, "require", silent)
    push = pushed(made)
    assert (push.state, push.detail, push.failures) == (PushState.PUSHING, "It does not answer.", 1)
    assert start_push(actor=SYSTEM, source=made, destination="archive") == push  # asked for twice, done once
    Push.objects.update(next_check_at=timezone.now() - OVERDUE)
    assert sweep_pushes() == 1
    Push.objects.update(failures=MOST_FAILURES)
    assert pushed(made).state == PushState.FAILED
    assert sweep_pushes() == 0


def test_what_comes_back_otherwise_is_not_done(
    made: TrainedModel, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "digest", lambda *_: "of something else")
    push = pushed(made)
    assert push.state == PushState.PUSHING
    assert "came back with the sha256 of something else" in push.detail
    assert not (archive / "team-a/models/mine.manifest.json").exists()


def test_a_file_that_was_altered_here_does_not_leave(made: TrainedModel, archive: Path, settings: Settings) -> None:
    (settings.SLIPWAY_HOME / "weights/team-a/mine/tokenizer.json").write_bytes(b"[]")
    push = pushed(made)
    assert push.state == PushState.FAILED
    assert "is not as it was saved" in push.detail
    assert not (archive / "team-a/models/mine.manifest.json").exists()


def test_a_push_ends_with_its_destination_and_goes_with_its_model(made: TrainedModel, archive: Path) -> None:
    push = start_push(actor=SYSTEM, source=made, destination="archive")
    remove_destination(actor=SYSTEM, destination=Destination.objects.get())
    advance_push(push.pk)
    push.refresh_from_db()
    assert (push.state, push.detail) == (PushState.FAILED, "The destination archive was removed meanwhile.")
    remove_model(actor=SYSTEM, model=made)
    assert not Push.objects.exists()


def test_who_pushes(made: TrainedModel, archive: Path, subtests: pytest.Subtests) -> None:
    team = made.account
    people = {
        "whoever made it": (owner_of(made), 303),
        "a publisher": (make_member(account=team, role=Role.PUBLISHER), 303),
        "another launcher": (make_member(account=team, role=Role.LAUNCHER), 403),
        "a viewer": (make_member(account=team, role=Role.VIEWER), 403),
        "a stranger": (make_user(), 404),
    }
    checkpoint = f"/launches/{Checkpoint.objects.get().launch.uid}/saves/sampler/final/pushes"
    for who, (user, status) in people.items():
        for address in ("/models/team-a/mine/pushes", checkpoint):
            with subtests.test(who, address=address):
                browser = sign_in(Client(), user)
                asked = browser.post(address, {"destination": "archive"}).status_code
                assert asked == status
                seen = browser.get(address)
                assert (seen.status_code, b'name="destination"' in seen.content) == (
                    (404, False) if status == 404 else (200, status == 303)
                )


def test_the_page_leads_to_it_and_follows_it(made: TrainedModel, archive: Path) -> None:
    browser = sign_in(Client(), owner_of(made))
    assert 'hx-get="/models/team-a/mine/pushes"' in browser.get("/models/team-a/mine").content.decode()
    start_push(actor=user_actor(owner_of(made)), source=made, destination="archive")
    moving = browser.get("/models/team-a/mine/pushes", headers={"HX-Request": "true"}).content.decode()
    assert 'hx-trigger="every 2s"' in moving
    assert f"by {owner_of(made)}" in moving
    pushed(made)
    done = browser.get("/models/team-a/mine/pushes").content.decode()
    assert "read back and compared" in done
    assert "every 2s" not in done
    refused = browser.post("/models/team-a/mine/pushes", {"destination": "made-up"})
    assert refused.status_code == 422
    assert b"There is no destination &#x27;made-up&#x27;" in refused.content


def test_by_command(made: TrainedModel, archive: Path) -> None:
    said = StringIO()
    call_command("push", made.name, "archive", "--no-wait", stdout=said)
    assert said.getvalue().startswith(f"{made.name} is being brought at archive, in team-a/models/mine")
    advance_push(Push.objects.get().pk)
    for name, to, words in (
        (made.name, "made-up", "There is no destination 'made-up'"),
        ("accounts/team-a/models/made-up", "archive", "There is no accounts/team-a/models/made-up"),
        ("of-nothing", "archive", "is no name to download or push"),
    ):
        with pytest.raises(CommandError, match=words):
            call_command("push", name, to)


def test_superusers_set_destinations(settings: Settings, tmp_path: Path) -> None:
    settings.SLIPWAY_HOME = tmp_path
    with pytest.raises(PermissionDenied):
        set_destination(actor=user_actor(make_user()), name="mine", address="/srv/models")
    with pytest.raises(InvalidArgument, match="Slipway's own"):
        set_destination(actor=SYSTEM, name="mine", address=str(tmp_path / "weights"))
    browser = sign_in(Client(), make_user(superuser=True))
    bucket = {"name": "store", "address": "s3://models", "key_id": "id", "secret": "never-shown"}
    assert browser.post("/destinations/new", {**bucket, "secret": ""}).status_code == 422
    assert browser.post("/destinations/new", bucket).status_code == 303
    twice = browser.post("/destinations/new", bucket)
    assert (twice.status_code, b"already; edit that one" in twice.content) == (422, True)
    sealed = Destination.objects.get().secret
    page = browser.get("/destinations/store/edit").content.decode()
    assert "One is set; it is never shown" in page
    assert "never-shown" not in page
    assert sealed not in page
    assert browser.post("/destinations/store/edit", bucket | {"secret": "", "region": "eu"}).status_code == 303
    row = Destination.objects.get()
    assert (row.region, row.secret) == ("eu", sealed)
    noted = AuditEntry.objects.filter(verb="set_destination")
    assert [entry.after.get("secret") for entry in noted.order_by("pk") if entry.after] == ["set", None]
    call_command("seal_connections", stdout=StringIO())
    assert Destination.objects.get().secret not in ("", sealed)
    call_command("destination", "store", "--remove", stdout=StringIO())
    call_command("destination", "archive", "--address", "/srv/models", stdout=StringIO())
    assert browser.get("/destinations").content.count(b"/srv/models") == 1
    assert browser.post("/destinations/archive/remove").status_code == 303
    with pytest.raises(CommandError, match=r"address: 'models' is no address"):
        call_command("destination", "archive", "--address", "models")
