"""A validation from the request to its outcome, whatever dies, is lost, refused or stopped in between."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actors import SYSTEM, user_actor
from accounts.domain.deactivate_user import deactivate_user
from accounts.domain.remove_member import remove_member
from accounts.models import AuditEntry
from catalog.models import ShapeVersion
from connections.providers.memory_use import MemoryUse
from connections.providers.spec import TrainerMode
from connections.providers.states import AttemptState, Reason
from launches.domain.cancel_launch import cancel_launch
from launches.domain.delete_launch import delete_launch
from launches.domain.resume_launch import resume_launch
from launches.models import Event, Launch
from publishing.domain.advance_validation import MOST_TRIES, advance_validation, apply_finding, note_fault
from publishing.domain.cancel_validation import cancel_validation
from publishing.domain.claim_validation import claim_validation
from publishing.findings import find_next
from publishing.models import Validation
from publishing.passport import passport_facts
from queues.leases import LEASE, LONGEST_BACKOFF
from tests.launches.makers import attempt_of, make_tiny_version
from tests.publishing.makers import (
    complete,
    launch_of,
    make_draft,
    make_publisher,
    make_validation,
    records,
    running,
    say,
    step,
)
from wire.errors import FailedPrecondition

pytestmark = pytest.mark.django_db


def version_state(validation: Validation) -> str:
    return ShapeVersion.objects.values_list("state", flat=True).get(pk=validation.version_id)


def texts(validation: Validation, level: str = "") -> str:
    return "\n".join(line["text"] for line in validation.log if level in ("", line["level"]))


def test_it_goes_step_by_step_to_a_passport(settings: Settings) -> None:
    settings.SLIPWAY_PASSPORT_DAYS = 30
    validation = make_validation()
    seen = []
    while validation.state != "RUNNING":
        assert step(validation) == timedelta()
        seen.append(validation.state)
    assert seen == ["STATIC", "LAUNCHING", "RUNNING"]
    assert step(validation) == timedelta(seconds=1)
    complete(validation)
    assert (validation.state, version_state(validation)) == ("PASSED", "VALIDATED")
    assert (validation.provider, validation.gpus, validation.longest_context) == ("local", 0, 2048)
    assert (validation.seconds_per_step, validation.peak_memory_bytes) == (0.5, 2**20)
    assert (validation.first_loss, validation.last_loss) == (6.0, 6 - 1.9)
    assert validation.seconds_to_ready is not None
    assert validation.finished_at is not None
    assert validation.expires_at == validation.finished_at + timedelta(days=30)
    assert "Loss from 6.0000 to 4.1000" in texts(validation)
    entry = AuditEntry.objects.get(verb="accept_version", target=validation.version.name)
    assert entry.actor is None
    assert entry.reason.startswith("Validation 1: Loss from")
    assert step(validation) is None


def test_its_passport_says_what_the_engine_gave_it() -> None:
    validation = running()
    say(validation, AttemptState.RUNNING, nodes="n2", gpus="1 x gpu:h100")
    told = {"parameters": 2**10, "gradients": 0, "optimizer": 0, "passes": 2**19}
    planned = told | {"passes": 2**20, "activations": 2**18, "logits": 3 * 2**18, "gathered": 0}
    found = [replace(record, planned_memory_bytes=2**21) for record in records()]
    found[1] = replace(found[1], memory=MemoryUse(4096, planned, told))
    complete(validation, found)
    facts = {fact.key: fact for fact in passport_facts(validation, provider="The cluster")}
    assert re.search(r"2\.0.MB planned$", facts["peak_memory_bytes"].note), facts["peak_memory_bytes"]
    passes = facts["memory_passes"]
    words = r"1\.0.MB planned for up to 4,096 tokens: activations 256\.0.KB, logits 768\.0.KB"
    assert re.fullmatch(r"512\.0.KB", passes.value or "") and re.fullmatch(words, passes.note), passes
    assert re.fullmatch(r"1\.0.KB planned", facts["memory_parameters"].note), facts["memory_parameters"]
    assert (facts["provider"].value, facts["provider"].note) == ("The cluster", "on n2")
    assert facts["accelerator_type"].note == "had 1 x gpu:h100"


def test_a_forward_only_shape_counts_its_forwards() -> None:
    validation = running(version=make_draft(mode=TrainerMode.FORWARD_ONLY))
    complete(validation, [replace(record, learning_rate=None) for record in records()])
    assert (validation.state, validation.forwards, validation.first_loss) == ("PASSED", 20, None)


def test_a_held_validation_is_left_alone_and_a_stale_finding_is_dropped() -> None:
    validation = make_validation()
    stale = claim_validation(validation.pk, now=timezone.now())
    assert stale is not None
    assert advance_validation(validation.pk) is None
    later = timezone.now() + LEASE + timedelta(seconds=1)
    fresh = claim_validation(validation.pk, now=later)
    assert fresh is not None
    finding = find_next(stale.validation, now=timezone.now())
    assert apply_finding(stale, finding, now=later) is None
    validation.refresh_from_db()
    assert validation.state == "QUEUED"
    assert apply_finding(fresh, finding, now=later) == timedelta()


@pytest.mark.parametrize("steps", range(4))
@pytest.mark.parametrize("when", ["after the claim", "before it was written down"])
def test_a_worker_that_dies_at_any_step_is_made_good(steps: int, when: str) -> None:
    validation = make_validation()
    for _ in range(steps):
        step(validation)
    claim = claim_validation(validation.pk, now=timezone.now() + timedelta(seconds=2))
    assert claim is not None
    if when == "before it was written down":
        find_next(claim.validation, now=timezone.now())
    for _ in range(3 - steps):
        step(validation)
    complete(validation)
    assert (validation.state, version_state(validation)) == ("PASSED", "VALIDATED")
    assert Launch.objects.count() == 1


def test_a_worker_that_dies_before_the_outcome_is_made_good() -> None:
    validation = running()
    say(validation, AttemptState.RUNNING, ready=True)
    say(validation, AttemptState.COMPLETED, metrics=records())
    claim = claim_validation(validation.pk, now=timezone.now() + timedelta(seconds=2))
    assert claim is not None
    find_next(claim.validation, now=timezone.now())
    step(validation)
    assert (validation.state, version_state(validation)) == ("PASSED", "VALIDATED")


@pytest.mark.parametrize(
    ("state", "reason", "word"),
    [
        (AttemptState.FAILED, Reason.EXIT_CODE, "failed"),
        (AttemptState.CANCELLED, Reason.USER, "cancelled"),
        (AttemptState.REJECTED, Reason.SPEC_REFUSED, "rejected"),
        (AttemptState.LOST, Reason.UNKNOWN_TO_PROVIDER, "lost"),
    ],
)
def test_a_launch_that_does_not_complete_fails_it_and_says_why(state: AttemptState, reason: Reason, word: str) -> None:
    validation = running()
    if state is not AttemptState.REJECTED:
        say(validation, AttemptState.RUNNING, log="loading\nCUDA out of memory\n")
    say(validation, state, reason=reason, detail="It ended with exit code 1.\nand more")
    assert step(validation) is None
    assert (validation.state, version_state(validation)) == ("FAILED", "REJECTED")
    assert validation.outcome == f"Its launch ended as {word}. It ended with exit code 1."
    assert ("CUDA out of memory" in texts(validation, "error")) == (state is not AttemptState.REJECTED)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (records()[:-1], "It recorded 19 of 20 steps."),
        ([*records()[:-1], replace(records()[-1], loss_per_token=None)], "The loss of step 20 is not a finite number."),
        (records(context=2000), "has 2,000 tokens; the shape promises 2,048"),
        ([], "It recorded 0 of 20 steps."),
    ],
)
def test_a_completed_launch_that_proves_too_little_fails_it(found: list[object], sentence: str) -> None:
    validation = running()
    complete(validation, found)  # type: ignore[arg-type]
    assert (validation.state, version_state(validation)) == ("FAILED", "REJECTED")
    assert sentence in validation.outcome


def test_somebody_cancels_its_launch() -> None:
    validation = running()
    launch = launch_of(validation)
    cancel_launch(actor=user_actor(launch.owner), launch=launch)
    step(validation)
    assert validation.state == "RUNNING", "it is not over yet"
    say(validation, AttemptState.CANCELLED, reason=Reason.USER)
    step(validation)
    assert (validation.state, version_state(validation)) == ("FAILED", "REJECTED")


def test_somebody_deletes_its_launch() -> None:
    validation = running()
    launch = launch_of(validation)
    delete_launch(actor=user_actor(launch.owner), launch=launch)
    say(validation, AttemptState.CANCELLED, reason=Reason.USER)
    step(validation)
    assert (validation.state, version_state(validation)) == ("FAILED", "REJECTED")


def test_a_launch_that_is_deleted_after_it_completed_is_evidence_still() -> None:
    validation = running()
    say(validation, AttemptState.COMPLETED, metrics=records())
    launch = launch_of(validation)
    delete_launch(actor=user_actor(launch.owner), launch=launch)
    step(validation)
    assert validation.state == "PASSED"


def asked_for(validation: Validation, *, minutes_ago: int) -> None:
    Validation.objects.filter(pk=validation.pk).update(created_at=timezone.now() - timedelta(minutes=minutes_ago))


def started(validation: Validation, *, minutes_ago: int) -> None:
    say(validation, AttemptState.CREATING)
    begun = timezone.now() - timedelta(minutes=minutes_ago)
    Event.objects.filter(launch=launch_of(validation), data__state=AttemptState.CREATING).update(created_at=begun)


@pytest.mark.parametrize("steps", range(4))
def test_the_wait_for_a_trainer_ends_wherever_it_stands(steps: int, settings: Settings) -> None:
    validation = make_validation()
    for _ in range(steps):
        step(validation)
    settings.SLIPWAY_VALIDATION_WAIT = 5
    asked_for(validation, minutes_ago=6)
    step(validation)
    assert (validation.state, version_state(validation)) == ("FAILED", "REJECTED")
    assert "was not started within 5m (SLIPWAY_VALIDATION_WAIT)" in validation.outcome
    assert all(attempt_of(launch).state == "CANCELLING" for launch in Launch.objects.all())


def test_its_time_runs_out_while_the_trainer_runs(settings: Settings) -> None:
    settings.SLIPWAY_VALIDATION_TIMEOUT = 5
    validation = running()
    started(validation, minutes_ago=4)
    step(validation)
    assert validation.state == "RUNNING"
    started(validation, minutes_ago=6)
    say(validation, AttemptState.RUNNING, ready=True)
    step(validation)
    assert (validation.state, version_state(validation)) == ("FAILED", "REJECTED")
    assert "did not end within 5m of its trainer's start (SLIPWAY_VALIDATION_TIMEOUT)" in validation.outcome
    assert attempt_of(launch_of(validation)).state == "CANCELLING"


def test_a_full_queue_rejects_nothing(settings: Settings) -> None:
    settings.SLIPWAY_VALIDATION_TIMEOUT = 5
    validation = running()
    say(validation, AttemptState.PENDING, queue_position=3)
    asked_for(validation, minutes_ago=300)
    step(validation)
    assert validation.state == "RUNNING", validation.outcome
    complete(validation)
    assert (validation.state, version_state(validation)) == ("PASSED", "VALIDATED")


def test_what_completed_while_no_worker_looked_is_evidence_still() -> None:
    validation = running()
    asked_for(validation, minutes_ago=5000)
    started(validation, minutes_ago=300)
    complete(validation)
    assert (validation.state, version_state(validation)) == ("PASSED", "VALIDATED")


def test_a_step_that_breaks_is_told_repeated_and_ends_it_in_the_end() -> None:
    validation = running()
    say(validation, AttemptState.COMPLETED, metrics=records())
    Launch.objects.filter(pk=launch_of(validation).pk).update(spec={})
    for number in range(1, MOST_TRIES + 1):
        pause = step(validation)
        assert pause
        assert 0.75 <= pause / timedelta(seconds=2 ** (number - 1)) <= 1.25
        assert validation.state == "RUNNING"
        assert f"Try {number} of this step broke. KeyError: 'trainer_sharding_scheme'" in texts(validation, "fault")
    assert step(validation) is None
    assert (validation.state, version_state(validation)) == ("FAILED", "REJECTED")
    assert "broke 5 times in a row, so it was stopped. Try 5 of this step broke. KeyError" in validation.outcome
    assert validation.outcome in texts(validation, "error")


def test_a_step_that_goes_through_again_counts_anew() -> None:
    validation = running()
    attempts = launch_of(validation).attempts
    for _ in range(3):
        for number in range(1, MOST_TRIES):
            attempts.update(number=2)
            step(validation)
            assert f"Try {number} of this step broke. DoesNotExist" in validation.log[-1]["text"]
        attempts.update(number=1)
        step(validation)
        assert (validation.state, validation.log[-1]["text"]) == ("RUNNING", "This try went through")
        told = validation.log
        step(validation)
        assert validation.log == told
    complete(validation)
    assert validation.state == "PASSED"


def test_a_step_that_broke_after_it_was_stopped_leaves_nothing() -> None:
    user = make_publisher()
    validation = make_validation(user=user)
    claim = claim_validation(validation.pk, now=timezone.now())
    assert claim is not None
    cancel_validation(actor=user_actor(user), validation=validation, now=timezone.now())
    assert note_fault(claim, RuntimeError("late"), now=timezone.now()) is None
    validation.refresh_from_db()
    assert "late" not in texts(validation)


def test_workers_that_die_at_a_step_again_and_again_end_it() -> None:
    validation = make_validation()
    now = timezone.now()
    for _ in range(MOST_TRIES + 1):
        assert claim_validation(validation.pk, now=now)
        now += LEASE + 1.25 * LONGEST_BACKOFF  # after the first time it is left alone for longer
    validation.refresh_from_db()
    assert "Try 5 of this step broke. Its worker did not come back within 20 s." in texts(validation, "fault")
    assert step(validation) is None
    assert (validation.state, version_state(validation)) == ("FAILED", "REJECTED")
    assert "did not come back" in validation.outcome


def test_the_provider_vanishes_before_the_launch(settings: Settings) -> None:
    validation = make_validation()
    step(validation)
    settings.SLIPWAY_LOCAL_PROVIDER = False
    step(validation)
    step(validation)
    assert (validation.state, version_state(validation)) == ("FAILED", "REJECTED")
    assert "SLIPWAY_LOCAL_PROVIDER is off." in validation.outcome


def test_the_provider_vanishes_while_it_runs(settings: Settings) -> None:
    validation = running()
    settings.SLIPWAY_LOCAL_PROVIDER = False
    step(validation)
    assert (validation.state, version_state(validation)) == ("FAILED", "REJECTED")
    assert "This machine: SLIPWAY_LOCAL_PROVIDER is off." in validation.outcome


def test_who_asked_loses_the_right_before_the_launch() -> None:
    user = make_publisher()
    validation = make_validation(user=user)
    remove_member(actor=SYSTEM, account=validation.version.shape.account, user=user, now=timezone.now())
    step(validation)
    step(validation)
    step(validation)
    assert (validation.state, version_state(validation)) == ("FAILED", "REJECTED")
    assert "could not be launched" in validation.outcome


def test_who_asked_is_switched_off_before_the_launch() -> None:
    user = make_publisher()
    validation = make_validation(user=user)
    deactivate_user(actor=SYSTEM, user=user, now=timezone.now())
    for _ in range(3):
        step(validation)
    assert (validation.state, version_state(validation)) == ("FAILED", "REJECTED")
    assert f"could not be launched. {user} is switched off" in validation.outcome


def test_stopped_while_a_worker_launches_nothing_goes_on() -> None:
    user = make_publisher()
    validation = make_validation(user=user)
    step(validation)
    step(validation)
    claim = claim_validation(validation.pk, now=timezone.now() + timedelta(seconds=2))
    assert claim is not None
    finding = find_next(claim.validation, now=timezone.now())
    cancel_validation(actor=user_actor(user), validation=validation, now=timezone.now())
    assert apply_finding(claim, finding, now=timezone.now()) is None
    validation.refresh_from_db()
    assert validation.state == "FAILED"
    assert launch_of(validation) == Launch.objects.get(), "the launch that nobody wrote down is found by its key"
    assert attempt_of(launch_of(validation)).state == "CANCELLING"


def test_a_passport_is_renewed_and_a_failed_renewal_takes_nothing_away() -> None:
    version = make_tiny_version()
    user = make_publisher()
    first = running(version=version, user=user)
    assert version_state(first) == "VALIDATED"
    complete(first)
    assert first.state == "PASSED"
    second = running(version=version, user=user)
    complete(second, records()[:3])
    assert (second.number, second.state, version_state(second)) == (2, "FAILED", "VALIDATED")
    third = running(version=version, user=user)
    cancel_validation(actor=user_actor(user), validation=third, now=timezone.now())
    assert version_state(third) == "VALIDATED"


def test_the_launch_of_a_failed_validation_is_not_resumed() -> None:
    validation = running()
    say(validation, AttemptState.FAILED, reason=Reason.EXIT_CODE, detail="It broke.")
    launch = launch_of(validation)
    for state in ("VALIDATING", "REJECTED"):
        assert version_state(validation) == state
        with pytest.raises(FailedPrecondition, match="Validate the version again"):
            resume_launch(actor=user_actor(launch.owner), launch=launch)
        step(validation)
    assert launch.attempts.count() == 1
