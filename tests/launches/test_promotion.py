"""Promoting a checkpoint: what it becomes, whole or not at all, whoever asks, and whatever goes wrong in between."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import TestCase
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actors import user_actor
from accounts.models import Account, AuditEntry, User
from accounts.roles import Role
from catalog import weights
from catalog.domain import advance_promotion as worker
from catalog.domain.advance_promotion import advance_promotion
from catalog.domain.rename_trained_model import rename_trained_model
from catalog.domain.sweep_promotions import sweep_promotions
from catalog.domain.tidy_weights import tidy_weights
from catalog.models import TrainedModel
from catalog.states import ModelState
from catalog.visibility import listed
from catalog.weights import open_part
from connections.providers.checkpoints import CheckpointKind
from connections.providers.errors import Retryable
from connections.providers.spec import TrainerMode
from connections.providers.states import AttemptState
from launches.domain.create_launch import create_launch
from launches.domain.delete_launch import delete_launch
from launches.domain.delete_model import delete_model
from launches.domain.discard_checkpoints import discard_checkpoints
from launches.domain.purge_launch import purge_launch
from launches.models import Launch
from launches.subjects import shapes_for, subject_of
from queues import leases
from tests.connections.remote import RemoteEngine
from tests.launches.makers import bring_to, make_launch, make_tiny_version
from tests.launches.weights import (
    TINY,
    Killed,
    adapter_files,
    make_saved_launch,
    promote,
    put_checkpoint,
    tensors,
    whole_files,
)
from tests.makers import make_account, make_member, make_model
from wire.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(settings: Settings, tmp_path: Path) -> Path:
    """A Slipway whose models lie in a folder of the test."""
    settings.SLIPWAY_HOME = tmp_path
    settings.SLIPWAY_LEAST_FREE_MB = 0
    return tmp_path


@pytest.fixture
def saved(engine: RemoteEngine, team: Account) -> Launch:
    """A launch of a launcher of team-a that saved an adapter."""
    return make_saved_launch(engine, owner=make_member(account=team, username="lena"), account=team)


def lying(home: Path, account: str = "team-a") -> list[str]:
    """What lies in the account's folder."""
    folder = home / "weights" / account
    files = [each for each in folder.rglob("*") if each.is_file() and each.suffixes != [".manifest", ".json"]]
    return sorted(str(each.relative_to(folder)) for each in files)


def test_a_checkpoint_becomes_a_model_with_files_of_its_own(engine: RemoteEngine, saved: Launch, home: Path) -> None:
    model = promote(saved, display_name="  My first ")
    assert (model.state, model.detail) == (ModelState.READY, "")
    assert (model.name, str(model)) == ("accounts/team-a/models/mine", "My first")
    assert (model.kind, model.base_model, model.root_model) == ("adapter", TINY, TINY)
    assert (model.lora_rank, model.target_modules) == (16, ["q_proj", "v_proj"])
    assert model.copied_bytes == model.size_bytes == sum(map(len, adapter_files().values()))
    wanted = {
        "launch": saved.name,
        "checkpoint": f"{saved.name}/checkpoints/final",
        "shape_version": saved.shape_version.name,
        "step": 20,
        "by": "lena",
    }
    assert model.provenance.items() >= wanted.items()
    folder = home / "weights/team-a/mine"
    assert {name: (folder / name).read_bytes() for name in lying(home, "team-a/mine")} == adapter_files()
    modes = [folder.parent, folder, folder / "adapter_config.json"]
    assert [oct(path.stat().st_mode & 0o777) for path in modes] == ["0o750", "0o755", "0o644"]
    call_command("verify_model", str(folder))
    assert AuditEntry.objects.get(verb="promote_checkpoint").target == model.name
    assert saved.events.get(kind="promoted").message == "Checkpoint final promoted to mine"

    engine.artifacts.clear()
    assert promote(saved) == model, "the same again"
    assert saved.events.filter(kind="promoted").count() == 1
    assert TrainedModel.objects.count() == 1


def test_ids_are_made_and_never_given_twice(engine: RemoteEngine, saved: Launch, team: Account) -> None:
    put_checkpoint(engine, saved, adapter_files(), name="second")
    make_model(account=team, model_id="of-the-catalog")
    first = promote(saved, model_id="", display_name="Mine 1.5")
    assert first.model_id == "mine-1p5"
    assert promote(saved, model_id="", display_name="Mine 1.5") == first
    assert promote(saved, model_id="", checkpoint="second", display_name="Mine 1.5").model_id == "mine-1p5-2"
    assert promote(saved, model_id="").model_id == f"{saved.job_id}-final"
    with pytest.raises(AlreadyExists, match=r"mine-1p5 is there already, made of .*/checkpoints/final"):
        promote(saved, checkpoint="second", model_id="mine-1p5")
    with pytest.raises(AlreadyExists, match="a base model of the catalog"):
        promote(saved, model_id="of-the-catalog")
    wrong: dict[str, dict[str, Any]] = {"model_id": {"model_id": "My Model"}, "display_name": {"display_name": "a\nb"}}
    for field, asked in wrong.items():
        with pytest.raises(InvalidArgument) as refused:
            promote(saved, **asked)
        assert [violation.field for violation in refused.value.violations] == [field]
    with pytest.raises(InvalidArgument, match=f"Use {TINY}"):
        promote(saved, base_model="accounts/fireworks/models/other")


def test_only_what_a_model_has_is_taken(engine: RemoteEngine, team: Account, home: Path) -> None:
    more = {
        "optimizer.pt": b"pickle",
        "modeling.py": b"print()",
        ".hidden.json": b"{}",
        "checkpoint.json": b"{}",
        "chat_template.jinja": b"hello",
        "tokenizer.model": b"\x0a",
        "additional_chat_templates/rag.jinja": b"rag",
    }
    launch = make_saved_launch(engine, owner=make_member(account=team), account=team, files=adapter_files(more=more))
    model = promote(launch)
    assert model.state == ModelState.READY
    assert model.left_out == ["optimizer.pt", "modeling.py", ".hidden.json"]
    taken = {"chat_template.jinja", "tokenizer.model", "additional_chat_templates/rag.jinja"}
    assert set(lying(home, "team-a/mine")) == set(adapter_files()) | taken


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "does not say what it holds|nobody says which files"),
        ({"config.json": b"{}", "model.bin": b"x"}, "holds no model"),
        ({"model.safetensors": tensors()}, "holds no model"),
    ],
)
def test_what_is_no_model_is_refused_at_once(
    engine: RemoteEngine, team: Account, files: dict[str, bytes], sentence: str
) -> None:
    launch = make_saved_launch(engine, owner=make_member(account=team), account=team, files=files)
    with pytest.raises(FailedPrecondition, match=sentence):
        promote(launch)
    assert not TrainedModel.objects.exists()


def test_what_cannot_be_promoted_is_told_apart(engine: RemoteEngine, saved: Launch) -> None:
    put_checkpoint(engine, saved, adapter_files(), name="state", kind=CheckpointKind.TRAINING)
    put_checkpoint(engine, saved, {}, name="later", writing=True)
    with pytest.raises(FailedPrecondition, match="is to train on from"):
        promote(saved, checkpoint="state")
    with pytest.raises(FailedPrecondition, match="is being written"):
        promote(saved, checkpoint="later")
    with pytest.raises(NotFound):
        promote(saved, checkpoint="none")


def test_who_may_promote_rename_and_delete(saved: Launch, team: Account, subtests: pytest.Subtests) -> None:
    other = make_member(account=make_account(account_id="team-b"), role=Role.ADMIN)
    people: list[tuple[User, type[Exception] | None]] = [
        (saved.owner, None),
        (make_member(account=team, role=Role.PUBLISHER), None),
        (make_member(account=team, role=Role.LAUNCHER), PermissionDenied),
        (make_member(account=team, role=Role.VIEWER), PermissionDenied),
        (other, NotFound),
    ]
    model = promote(saved)
    verbs: dict[str, Callable[[User], Any]] = {
        "promote": lambda user: promote(saved, by=user, made=False),
        "rename": lambda user: rename_trained_model(actor=user_actor(user), model=model, display_name="Ours"),
        "delete": lambda user: delete_model(actor=user_actor(user), model=model),
    }
    for name, verb in verbs.items():
        for user, refusal in reversed(people):
            if name == "delete" and refusal is None and user is not saved.owner:
                continue
            with subtests.test(f"{name}: {user}"):
                if refusal is None:
                    verb(user)
                else:
                    with pytest.raises(refusal):
                        verb(user)
    assert not TrainedModel.objects.exists()


class UnreadableFile(io.BytesIO):
    """A file that fails when it is read."""

    def __init__(self, error: Exception) -> None:
        super().__init__(b"x" * 100)
        self.error = error

    def read(self, _: int | None = -1, /) -> bytes:
        raise self.error


def weights_of(launch: Launch) -> tuple[str, ...]:
    """What the engine is asked for when it is asked for the weights."""
    return "team-a", launch.job_id, CheckpointKind.SAMPLER, "final", "adapter_model.safetensors"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (tensors(b"\1" * 64), "adapter_model.safetensors is not what its trainer saved: its sha256 is"),
        (tensors()[:-1], "holds [0-9]+ of the [0-9]+ bytes that its trainer noted"),
        (tensors() + b"more", "holds more than the"),
        (b"\x80\x04pickle" + b"\0" * 200, "is no file of safetensors"),
        (lambda: UnreadableFile(OSError(errno.ENOSPC, "No space left on device")), "The disk is full"),
    ],
)
def test_what_is_not_as_it_was_noted_fails_in_words_and_leaves_nothing(
    engine: RemoteEngine, saved: Launch, home: Path, content: Any, sentence: str
) -> None:
    good, engine.artifacts[weights_of(saved)] = engine.artifacts[weights_of(saved)], content
    with TestCase.captureOnCommitCallbacks(execute=True):
        model = promote(saved)
    assert model.state == ModelState.FAILED
    assert_match(sentence, model.detail)
    assert lying(home) == []
    engine.artifacts[weights_of(saved)] = good
    again = promote(saved)
    assert (again.state, again.pk != model.pk) == (ModelState.READY, True), "its id was free"


def assert_match(pattern: str, text: str) -> None:
    with pytest.raises(ValueError, match=pattern):
        raise ValueError(text)


def test_an_adapter_that_is_for_a_path_is_no_model(engine: RemoteEngine, team: Account) -> None:
    files = adapter_files(base="/srv/models/tiny")
    launch = make_saved_launch(engine, owner=make_member(account=team), account=team, files=files)
    assert_match("is for '/srv/models/tiny'; this adapter was trained on accounts/local", promote(launch).detail)
    files = adapter_files() | {"adapter_config.json": b'{"r": "8"}'}
    other = make_saved_launch(engine, owner=make_member(account=team), account=team, files=files)
    assert_match("says no rank", promote(other, model_id="other").detail)


def test_no_room_is_told_before_anything_is_copied(engine: RemoteEngine, saved: Launch, settings: Settings) -> None:
    settings.SLIPWAY_LEAST_FREE_MB = 10**12
    assert_match("There is no room for it: 0 MB are free above", promote(saved).detail)
    assert "open_artifact" not in engine.calls


def test_a_silence_is_never_an_outcome(engine: RemoteEngine, saved: Launch) -> None:
    engine.artifacts[weights_of(saved)] = lambda: UnreadableFile(Retryable("It is away."))
    model = promote(saved)
    assert (model.state, model.detail, model.failures) == (ModelState.CREATING, "It is away.", 1)
    assert model.lease_token is None
    assert model.next_check_at > timezone.now()
    engine.artifacts[weights_of(saved)] = tensors()
    assert advance_promotion(model.pk) is None, "it is not due"
    due_again(model)
    advance_promotion(model.pk)
    model.refresh_from_db()
    assert (model.state, model.failures) == (ModelState.READY, 0)
    assert engine.calls.count("open_artifact") == 4, "what was copied before was not copied again"


def due_again(model: TrainedModel) -> None:
    TrainedModel.objects.filter(pk=model.pk).update(next_check_at=timezone.now(), lease_until=None)


@pytest.mark.parametrize(
    "step",
    ["open_part", "copy_file", "_copy", "_sync_folder", "is_there", "settle", "_adapter_facts", "_finish", "-"],
)
def test_a_worker_that_dies_anywhere_leaves_a_whole_model_or_none(
    engine: RemoteEngine, saved: Launch, home: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def die(*_: Any, **__: Any) -> Any:
        raise Killed

    def rename_and_die(*args: Any, **options: Any) -> None:
        weights.settle(*args, **options)
        raise Killed

    model = promote(saved, made=False)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        if step == "-":
            patch.setattr(worker, "settle", rename_and_die)
        else:
            patch.setattr(worker if hasattr(worker, step) else weights, step, die)
        advance_promotion(model.pk)
    model.refresh_from_db()
    assert model.state == ModelState.CREATING
    assert model.lease_token is not None
    TrainedModel.objects.filter(pk=model.pk).update(next_check_at=timezone.now() - leases.LEASE, lease_until=None)
    assert sweep_promotions() == 1
    advance_promotion(model.pk)
    model.refresh_from_db()
    assert model.state == ModelState.READY
    assert {name: (home / "weights/team-a" / name).read_bytes() for name in lying(home)} == {
        f"mine/{name}": content for name, content in adapter_files().items()
    }


def test_a_worker_that_was_overtaken_changes_nothing(engine: RemoteEngine, saved: Launch, home: Path) -> None:
    model = promote(saved, made=False)

    def overtaken() -> BinaryIO:
        due_again(model)
        engine.artifacts[weights_of(saved)] = tensors()
        advance_promotion(model.pk)
        return io.BytesIO(tensors(b"\2" * 64))

    engine.artifacts[weights_of(saved)] = overtaken
    assert advance_promotion(model.pk) is None
    model.refresh_from_db()
    assert model.state == ModelState.READY, "as the other one made it"
    assert (home / "weights/team-a/mine/adapter_model.safetensors").read_bytes() == tensors()


def test_one_that_is_deleted_meanwhile_is_not_made(engine: RemoteEngine, saved: Launch, home: Path) -> None:
    model = promote(saved, made=False)

    def deleted() -> BinaryIO:
        with TestCase.captureOnCommitCallbacks(execute=True):
            delete_model(actor=user_actor(saved.owner), model=model)
        return io.BytesIO(tensors())

    engine.artifacts[weights_of(saved)] = deleted
    assert advance_promotion(model.pk) is None
    tidy_weights(now=timezone.now())
    assert not TrainedModel.objects.exists()
    assert lying(home) == []


def test_deleting_frees_its_bytes_and_its_id(engine: RemoteEngine, saved: Launch, home: Path) -> None:
    model = promote(saved)
    assert (home / "weights/team-a/mine.manifest.json").is_file()
    with TestCase.captureOnCommitCallbacks(execute=True):
        assert delete_model(actor=user_actor(saved.owner), model=model) == model.size_bytes
    assert list((home / "weights/team-a").iterdir()) == []
    entry = AuditEntry.objects.get(verb="delete_model")
    assert entry.before is not None
    assert entry.before["files"]["adapter_model.safetensors"]
    assert promote(saved).state == ModelState.READY


def test_what_crashes_left_is_tidied_and_models_that_no_row_knows_stay(saved: Launch, home: Path) -> None:
    """An older database may have been restored: whole models are people's work."""
    making = promote(saved, made=False)
    account = home / "weights/team-a"
    for name in ("unknown", ".gone-1", ".part-2", f".part-{making.uid.hex}"):
        (account / name).mkdir(parents=True)
        (account / name / "model.safetensors").write_bytes(b"x")
    (account / ".part-2.manifest").write_text("{}")
    (account / f".part-{making.uid.hex}.manifest").write_text("{}")
    (account / ".gone-3").symlink_to(account / "unknown")
    tidy_weights(now=timezone.now())
    kept = {"unknown", f".part-{making.uid.hex}", f".part-{making.uid.hex}.manifest"}
    assert {each.name for each in account.iterdir()} == kept
    assert lying(home, "team-a/unknown") == ["model.safetensors"]

    other = promote(saved, model_id="unknown")
    assert other.state == ModelState.FAILED
    assert_match("unknown holds files of a model that is not known here", other.detail)
    assert lying(home, "team-a/unknown") == ["model.safetensors"]


def test_what_a_deletion_left_that_died_is_no_model_any_more(
    saved: Launch, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is gone, its files are not: the audit log says whose they were."""
    with monkeypatch.context() as patch:
        patch.setattr("catalog.domain.remove_model.discard_model", lambda *_: None)
        for model_id in ("again", "mine"):
            with TestCase.captureOnCommitCallbacks(execute=True):
                delete_model(actor=user_actor(saved.owner), model=promote(saved, model_id=model_id))
    assert promote(saved, model_id="again").state == ModelState.READY, "its id is free"
    tidy_weights(now=timezone.now())
    assert {each.partition("/")[0] for each in lying(home)} == {"again"}
    assert {each.name for each in (home / "weights/team-a").iterdir()} == {"again", "again.manifest.json"}


def test_launches_start_from_a_whole_model_that_fits(engine: RemoteEngine, team: Account) -> None:
    owner = make_member(account=team)
    version = make_tiny_version(mode=TrainerMode.POLICY_TRAINER)
    launch = make_saved_launch(engine, owner=owner, account=team, version=version, files=whole_files())
    model = promote(launch)
    assert model.kind == "full"
    strange = make_account(account_id="team-b")
    assert subject_of(version, team).fitting_models == (TINY, model.name)
    assert subject_of(version, strange).fitting_models == (TINY,)
    assert shapes_for(listed([team.pk]), model) == [version]

    follower = make_launch(owner=owner, account=team, version=version, connection="far", base_model=model.name)
    assert follower.spec["base_model"] == model.name
    with pytest.raises(FailedPrecondition, match=f"base model of 1 launch not over yet: {follower.job_id}"):
        delete_model(actor=user_actor(owner), model=model)
    put_checkpoint(engine, follower, whole_files())
    child = promote(follower, model_id="child")
    assert (child.base_model, child.root_model) == (model.name, TINY), "what all training began with"
    assert child.name in subject_of(version, team).fitting_models
    bring_to(follower, AttemptState.CANCELLED)
    delete_model(actor=user_actor(owner), model=model)
    with pytest.raises(InvalidArgument, match="does not fit this shape"):
        make_launch(owner=owner, account=team, version=version, connection="far", base_model=model.name)


def test_a_model_that_is_deleted_while_a_launch_is_accepted_refuses_it(
    engine: RemoteEngine, team: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = make_member(account=team)
    version = make_tiny_version(mode=TrainerMode.POLICY_TRAINER)
    model = promote(make_saved_launch(engine, owner=owner, account=team, version=version, files=whole_files()))

    def delete_first(*_: Any) -> None:
        delete_model(actor=user_actor(owner), model=model)

    monkeypatch.setattr("launches.domain.create_launch.require_space", delete_first)
    with pytest.raises(FailedPrecondition, match="mine was deleted"):
        create_launch(
            actor=user_actor(owner),
            account=team,
            version=version,
            inputs={"base_model": model.name, "connection": "far"},
            idempotency_key="once",
        )


def test_the_command(engine: RemoteEngine, saved: Launch, capsys: pytest.CaptureFixture[str]) -> None:
    name = f"{saved.name}/checkpoints/final"
    call_command("promote", name, "--id", "mine", "--no-wait")
    assert capsys.readouterr().out.startswith("accounts/team-a/models/mine is being made: ")
    promote(saved)
    call_command("promote", name, "--id", "mine")
    assert " is ready: " in capsys.readouterr().out
    for wrong, sentence in [("mine", "is no checkpoint; use accounts/ACCOUNT"), (f"{name}-2", "There is no accounts")]:
        with pytest.raises(CommandError, match=sentence):
            call_command("promote", wrong)


def test_a_checkpoint_is_kept_while_a_model_is_made_of_it(saved: Launch, home: Path) -> None:
    model = promote(saved, made=False)
    Launch.objects.filter(pk=saved.pk).update(state=AttemptState.COMPLETED)
    saved.attempts.update(state=AttemptState.COMPLETED, submitted_at=timezone.now(), finished_at=timezone.now())
    delete_launch(actor=user_actor(saved.owner), launch=saved)
    discard_checkpoints(actor=user_actor(saved.owner), launch=saved)
    assert not purge_launch(saved.pk)
    assert saved.checkpoints.count() == 1
    saved.refresh_from_db()
    assert saved.purge_due_at is not None
    assert saved.purge_due_at > timezone.now(), "the sweep leaves it alone for a while"
    with pytest.raises(NotFound, match="was kept until"):
        promote(saved, model_id="another")
    advance_promotion(model.pk)
    model.refresh_from_db()
    assert model.state == ModelState.READY
    Launch.objects.update(purge_due_at=timezone.now())
    assert purge_launch(saved.pk)
    assert not saved.checkpoints.exists()


def test_a_killed_copy_leaves_nothing_behind(saved: Launch, home: Path) -> None:
    model = promote(saved, made=False)
    part = open_part("team-a", model.uid)
    (part / ".model.safetensors.killed").write_bytes(b"half")
    advance_promotion(model.pk)
    assert sorted(lying(home, "team-a/mine")) == sorted(adapter_files())
