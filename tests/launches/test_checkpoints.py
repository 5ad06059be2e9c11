"""Checkpoints are listed once their save was answered, also before a worker looks at the launch again."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.roles import Role
from accounts.scopes import Scope
from connections.providers.attempts import Observation
from connections.providers.checkpoints import CheckpointRecord
from connections.providers.states import AttemptState, Reason
from launches.domain.apply_report import apply_report
from launches.domain.claim_attempt import AttemptClaim, claim_attempt
from launches.domain.mirror_checkpoints import refresh_checkpoints
from launches.models import Launch
from launches.poll import Report
from tests.api.makers import Caller, make_caller
from tests.launches.makers import attempt_of, bring_to, make_launch, make_tiny_version, seen
from tests.makers import make_account, make_member

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("local_home")]


@pytest.fixture
def caller() -> Caller:
    account = make_account(account_id="local")
    return make_caller(account=account, user=make_member(account=account, role=Role.LAUNCHER), scope=Scope.LAUNCH)


@pytest.fixture
def running() -> Launch:
    launch = make_launch(version=make_tiny_version())
    bring_to(launch, AttemptState.RUNNING)
    return launch


def save(launch: Launch, name: str, step: int, **more: object) -> None:
    """What the trainer has written when it answers a save."""
    directory = settings.SLIPWAY_HOME / "local" / "jobs" / "local" / launch.job_id / "checkpoints" / name
    directory.mkdir(parents=True)
    content = {"name": name, "step": step, "size_bytes": 5, "created_at": timezone.now().isoformat(), **more}
    (directory / "checkpoint.json").write_text(json.dumps(content))


def listed(caller: Caller, launch: Launch) -> list[tuple[str, str]]:
    status, answer = caller.get(f"/v1/{launch.name}/checkpoints")
    assert status == 200, answer
    return [(row["name"].rpartition("/")[2], row["requestedName"]) for row in answer["checkpoints"]]


def claim_of(launch: Launch) -> AttemptClaim:
    attempt = attempt_of(launch)
    attempt.next_check_at = timezone.now()
    attempt.save(update_fields=["next_check_at"])
    claim = claim_attempt(attempt.pk, now=timezone.now())
    assert claim is not None
    return claim


def test_a_checkpoint_is_listed_as_soon_as_it_is_there(caller: Caller, running: Launch) -> None:
    assert listed(caller, running) == []
    save(running, "step-1", 1)
    save(running, "step-1-2", 2, requested_name="Step 1")
    assert listed(caller, running) == [("step-1", "step-1"), ("step-1-2", "Step 1")]
    assert listed(caller, running) == [("step-1", "step-1"), ("step-1-2", "Step 1")]
    messages = list(running.events.filter(kind="checkpoint").values_list("message", flat=True))
    assert messages == [
        "Checkpoint step-1 saved at step 1",
        "Checkpoint step-1-2 (asked for as Step 1) saved at step 2",
    ], "each is told once"


def test_an_older_answer_does_not_hide_what_a_younger_one_listed(caller: Caller, running: Launch) -> None:
    """A worker asks, the trainer saves, somebody lists, and then the worker writes down what it was told."""
    claim = claim_of(running)
    save(running, "step-1", 1)
    assert listed(caller, running) == [("step-1", "step-1")]
    apply_report(claim, seen(AttemptState.RUNNING), now=timezone.now())
    assert running.checkpoints.get().name == "step-1"
    later = claim_of(running)
    apply_report(later, seen(AttemptState.RUNNING), now=timezone.now())
    assert not running.checkpoints.exists(), "what the provider no longer lists goes with its next answer"


def test_a_provider_that_cannot_say_takes_nothing_away(caller: Caller, running: Launch) -> None:
    record = CheckpointRecord("step-9", 9, 1, timezone.now())
    said = Report(Observation(AttemptState.RUNNING), checkpoints=(record,))
    apply_report(claim_of(running), said, now=timezone.now())
    assert listed(caller, running) == [("step-9", "step-9")], "this machine has no such job"


def test_a_launch_that_is_over_is_not_asked_for_again(running: Launch) -> None:
    record = CheckpointRecord("step-9", 9, 1, timezone.now() - timedelta(minutes=1))
    over = Report(Observation(AttemptState.FAILED, reason=Reason.EXIT_CODE), checkpoints=(record,))
    apply_report(claim_of(running), over, now=timezone.now())
    save(running, "step-10", 10)
    running.refresh_from_db()
    refresh_checkpoints(running)
    assert [checkpoint.name for checkpoint in running.checkpoints.all()] == ["step-9"]
