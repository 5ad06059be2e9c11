"""What a launch has saved outlives its deletion for a time, is listed meanwhile, and goes when that is over."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.actors import user_actor
from accounts.domain.set_checkpoint_retention import set_checkpoint_retention
from accounts.roles import Role
from accounts.scopes import Scope
from connections.providers.base import CheckpointKind
from connections.providers.states import AttemptState
from launches.domain.delete_launch import delete_launch
from launches.domain.discard_checkpoints import discard_checkpoints
from launches.domain.purge_launch import purge_launch
from launches.domain.sweep_launches import sweep_launches
from launches.live.hints import PURGE
from launches.models import Checkpoint, Launch
from tests.api.makers import make_caller
from tests.launches.makers import bring_to, make_launch, make_tiny_version
from tests.makers import make_account, make_member
from wire.errors import FailedPrecondition, InvalidArgument

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("local_home")]


@pytest.fixture
def over() -> Launch:
    """A launch that is over, of whose files an attempt and a checkpoint of each kind lie on this machine."""
    launch = make_launch(version=make_tiny_version())
    bring_to(launch, AttemptState.COMPLETED)
    launch.attempts.update(submitted_at=timezone.now())
    for kind, folder in ((CheckpointKind.TRAINING, "checkpoints"), (CheckpointKind.SAMPLER, "sampler")):
        files = [{"path": "model.safetensors", "size_bytes": 5, "sha256": "a" * 64}]
        Checkpoint.objects.create(
            launch=launch, kind=kind, name="final", step=9, size_bytes=5, saved_at=timezone.now(), files=files
        )
        directory = job_directory(launch) / folder / "final"
        directory.mkdir(parents=True)
        (directory / "checkpoint.json").write_text(json.dumps({"name": "final"}))
    (job_directory(launch) / "attempts" / "1").mkdir(parents=True)
    return launch


def job_directory(launch: Launch) -> Path:
    return Path(settings.SLIPWAY_HOME) / "local" / "jobs" / "local" / launch.job_id


def delete(launch: Launch) -> None:
    delete_launch(actor=user_actor(launch.owner), launch=launch)
    launch.refresh_from_db()


def end_of_time(launch: Launch) -> None:
    past = timezone.now() - timedelta(seconds=1)
    Launch.objects.filter(pk=launch.pk).update(kept_until=past, purge_due_at=past)


def test_checkpoints_outlive_their_launch(over: Launch) -> None:
    over.attempts.update(log_tail="a secret, perhaps")
    delete(over)
    assert purge_launch(over.pk)
    assert set(over.attempts.values_list("log_tail", flat=True)) == {""}, "a log that was removed is nowhere"
    assert not purge_launch(over.pk), "there is nothing more to remove for now"
    over.refresh_from_db()
    assert (over.purged_at, over.purge_due_at) == (None, over.kept_until)
    assert over.kept_until and over.deleted_at
    assert over.kept_until - over.deleted_at == timedelta(days=settings.SLIPWAY_CHECKPOINT_RETENTION_DAYS)
    left = sorted(path.name for path in job_directory(over).iterdir())
    assert left == ["checkpoints", "deleted", "sampler"], "its attempts are gone, its checkpoints are not"


def test_they_are_listed_until_their_time_is_over_and_go_then(over: Launch) -> None:
    user = make_member(account=over.account, role=Role.VIEWER)
    caller = make_caller(account=over.account, user=user, scope=Scope.READ)
    delete(over)
    purge_launch(over.pk)
    status, answer = caller.get(f"/v1/{over.name}/checkpoints")
    assert status == 200
    rows = {row["checkpointType"]: row for row in answer["checkpoints"]}
    assert {kind: row["promotable"] for kind, row in rows.items()} == {
        "CHECKPOINT_TYPE_TRAINING_LORA": False,
        "CHECKPOINT_TYPE_INFERENCE_LORA": True,
    }
    assert all(row["expireTime"] for row in answer["checkpoints"])
    end_of_time(over)
    assert purge_launch(over.pk)
    assert caller.get(f"/v1/{over.name}/checkpoints")[1]["checkpoints"] == []
    over.refresh_from_db()
    assert over.purged_at is not None
    assert over.purge_due_at is None
    assert not job_directory(over).exists()


def test_the_sweep_hints_what_is_due_and_nothing_else(
    over: Launch, empty_queue: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    hinted: list[tuple[str, int]] = []
    monkeypatch.setattr("launches.domain.sweep_launches.hint", lambda task, pk: hinted.append((task, pk)))
    delete(over)
    sweep_launches()
    assert (PURGE, over.pk) in hinted
    purge_launch(over.pk)
    hinted.clear()
    sweep_launches()
    assert (PURGE, over.pk) not in hinted
    end_of_time(over)
    sweep_launches()
    assert (PURGE, over.pk) in hinted


def test_a_launch_that_saved_nothing_goes_at_once(over: Launch) -> None:
    over.checkpoints.all().delete()
    delete(over)
    purge_launch(over.pk)
    over.refresh_from_db()
    assert over.purged_at is not None
    assert not job_directory(over).exists()


def test_delete_now_ends_the_time(over: Launch) -> None:
    actor = user_actor(over.owner)
    with pytest.raises(FailedPrecondition, match="was not deleted"):
        discard_checkpoints(actor=actor, launch=over)
    delete(over)
    purge_launch(over.pk)
    discard_checkpoints(actor=actor, launch=over)
    discard_checkpoints(actor=actor, launch=over)
    assert purge_launch(over.pk)
    assert not over.checkpoints.exists()
    assert over.events.filter(kind="discarded").count() == 1


@pytest.mark.parametrize("days", [0, 7])
def test_an_account_has_a_time_of_its_own(over: Launch, days: int) -> None:
    admin = make_member(account=over.account, role=Role.ADMIN)
    set_checkpoint_retention(actor=user_actor(admin), account=over.account, days=days)
    over.refresh_from_db()
    delete(over)
    assert over.kept_until and over.deleted_at
    assert over.kept_until - over.deleted_at == timedelta(days=days)
    assert purge_launch(over.pk)
    assert job_directory(over).exists() is bool(days)


def test_a_time_has_a_limit() -> None:
    account = make_account(account_id="team-k")
    admin = make_member(account=account, role=Role.ADMIN)
    with pytest.raises(InvalidArgument, match="-1 is not between 0 and 3,650 days") as refused:
        set_checkpoint_retention(actor=user_actor(admin), account=account, days=-1)
    assert refused.value.violations[0].field == "checkpoint_retention_days"
