"""Claim, apply, retry: what a worker does to a row, without a provider in between."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import DataError, connections
from django.utils import timezone

from accounts.actors import user_actor
from connections.providers.attempts import Observation, Progress
from connections.providers.checkpoints import CheckpointRecord
from connections.providers.states import AttemptState, Reason
from connections.providers.telemetry import LogChunk
from launches.domain.advance_launch import advance_launch
from launches.domain.apply_report import apply_report
from launches.domain.cancel_launch import cancel_launch
from launches.domain.claim_attempt import AttemptClaim, claim_attempt
from launches.models import Launch
from launches.poll import LOG_TAIL_CHARACTERS, Report
from queues.leases import LEASE
from tests.launches.makers import NOW, attempt_of, make_launch, metric, seen

pytestmark = pytest.mark.django_db


def claim_of(launch: Launch) -> AttemptClaim:
    attempt = attempt_of(launch)
    attempt.next_check_at = timezone.now()
    attempt.save(update_fields=["next_check_at"])
    claim = claim_attempt(attempt.pk, now=timezone.now())
    assert claim is not None
    return claim


def report(launch: Launch, said: Report) -> timedelta | None:
    return apply_report(claim_of(launch), said, now=timezone.now())


def test_a_claimed_attempt_cannot_be_claimed_again() -> None:
    launch = make_launch()
    claim_of(launch)
    assert claim_attempt(attempt_of(launch).pk, now=timezone.now()) is None


def test_a_lease_that_ran_out_can_be_taken_and_the_old_result_is_dropped() -> None:
    launch = make_launch()
    stale = claim_of(launch)
    later = timezone.now() + LEASE + timedelta(seconds=1)
    fresh = claim_attempt(attempt_of(launch).pk, now=later)
    assert fresh is not None
    assert apply_report(stale, seen(AttemptState.FAILED, reason=Reason.EXIT_CODE), now=later) is None
    assert attempt_of(launch).state == AttemptState.QUEUED
    assert apply_report(fresh, seen(AttemptState.RUNNING), now=later) is not None
    assert attempt_of(launch).state == AttemptState.RUNNING


def test_an_observation_moves_the_attempt_and_tells_the_timeline() -> None:
    launch = make_launch()
    report(launch, seen(AttemptState.PENDING, queue_position=3))
    assert attempt_of(launch).queue_position == 3
    report(launch, seen(AttemptState.CREATING, progress=(Progress(1, "Installing torch"),)))
    report(launch, seen(AttemptState.CREATING, progress=(Progress(1, "Installing torch"), Progress(2, "Done"))))
    report(launch, seen(AttemptState.RUNNING, ready=True, endpoint="http://127.0.0.1:5000"))
    attempt = attempt_of(launch)
    assert (attempt.state, attempt.ready, attempt.endpoint) == ("RUNNING", True, "http://127.0.0.1:5000")
    assert attempt.observed_at is not None
    assert attempt.started_at is not None
    messages = [event.message for event in launch.events.order_by("sequence")]
    assert messages == [
        "Accepted",
        "Waiting for capacity",
        "Installing torch",
        "Preparing the trainer",
        "Done",
        "The trainer runs",
        "Ready: the trainer answers",
    ]
    assert [event.sequence for event in launch.events.order_by("sequence")] == list(range(1, 8))


def test_an_outcome_is_written_once() -> None:
    launch = make_launch()
    report(launch, seen(AttemptState.RUNNING))
    assert report(launch, seen(AttemptState.COMPLETED, reason=Reason.DONE)) is None
    attempt = attempt_of(launch)
    assert (attempt.state, attempt.reason, attempt.ready) == ("COMPLETED", "DONE", False)
    assert attempt.finished_at is not None
    assert Launch.objects.get(pk=launch.pk).state == "COMPLETED"
    assert claim_attempt(attempt.pk, now=timezone.now() + timedelta(days=1)) is None


def test_a_provider_that_goes_back_is_not_followed() -> None:
    launch = make_launch()
    report(launch, seen(AttemptState.RUNNING))
    report(launch, seen(AttemptState.PENDING))
    assert attempt_of(launch).state == "RUNNING"


def test_an_error_backs_off_and_the_next_answer_clears_it() -> None:
    launch = make_launch()
    delays = [report(launch, Report(None, error="No answer.")) for _ in range(3)]
    attempt = attempt_of(launch)
    assert (attempt.failures, attempt.state) == (3, "QUEUED")
    assert "Tried 3 times" in attempt.detail
    assert delays[0] is not None
    assert delays[2] is not None
    assert delays[2] > delays[0]
    assert launch.events.filter(kind="provider").count() == 1, "the timeline is not filled with retries"
    report(launch, seen(AttemptState.PENDING))
    assert attempt_of(launch).failures == 0


def test_records_log_and_checkpoints_are_taken_once() -> None:
    launch = make_launch()
    checkpoint = CheckpointRecord("step-20", 20, 1000, NOW)
    said = Report(
        Observation(AttemptState.RUNNING),
        log=LogChunk("hello\x00\n", 7),
        metrics=(metric(1), metric(2)),
        checkpoints=(checkpoint,),
    )
    report(launch, said)
    report(launch, said)
    attempt = attempt_of(launch)
    assert attempt.log_tail == "hello\N{REPLACEMENT CHARACTER}\n"
    assert [m.number for m in attempt.metrics.order_by("number")] == [1, 2]
    assert launch.events.filter(kind="checkpoint").count() == 1
    report(launch, seen(AttemptState.RUNNING))
    assert launch.checkpoints.count() == 0, "a checkpoint that the provider no longer lists is no longer shown"


def test_the_log_tail_is_bounded() -> None:
    launch = make_launch()
    report(launch, Report(Observation(AttemptState.RUNNING), log=LogChunk("x" * LOG_TAIL_CHARACTERS + "end", 70_000)))
    tail = attempt_of(launch).log_tail
    assert len(tail) == LOG_TAIL_CHARACTERS
    assert tail.endswith("end")


def test_a_cancel_while_the_worker_talks_is_seen_to_at_once() -> None:
    launch = make_launch()
    claim = claim_of(launch)
    cancel_launch(actor=user_actor(launch.owner), launch=launch)
    assert apply_report(claim, seen(AttemptState.RUNNING), now=timezone.now()) == timedelta()
    attempt = attempt_of(launch)
    assert attempt.state == "CANCELLING"
    assert claim_attempt(attempt.pk, now=timezone.now()) is not None


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_gets_the_lease() -> None:
    attempt = attempt_of(make_launch())

    def claim(_: int) -> bool:
        try:
            return claim_attempt(attempt.pk, now=timezone.now()) is not None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(32))) == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_key_at_the_same_time_is_one_launch() -> None:
    first = make_launch(key="sent-twice")
    launch = Launch.objects.select_related("owner", "account", "shape_version__shape__base_model__account").get(
        pk=first.pk
    )
    key = uuid.uuid4().hex

    def send(_: int) -> int:
        try:
            return make_launch(
                owner=launch.owner, account=launch.account, version=launch.shape_version, key=key, lora_rank="8"
            ).pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(send, range(16)))) == 1
    assert Launch.objects.filter(idempotency_key=key).count() == 1


def test_a_cancel_before_it_was_submitted_ends_cancelled() -> None:
    launch = make_launch()
    cancel_launch(actor=user_actor(launch.owner), launch=launch)
    assert advance_launch(attempt_of(launch).pk) is None
    attempt = attempt_of(launch)
    assert (attempt.state, attempt.reason) == ("CANCELLED", "USER")


def test_what_the_database_cannot_hold_is_said_and_survived() -> None:
    launch = make_launch()
    record = replace(metric(1), step=2**31)
    with pytest.raises(DataError):
        report(launch, Report(Observation(AttemptState.RUNNING), metrics=(record,)))
    attempt = attempt_of(launch)
    assert (attempt.state, attempt.metrics_read) == ("QUEUED", 0), "nothing of it is half applied"


def test_the_queue_is_looked_at_less_often_further_back() -> None:
    launch = make_launch()
    delays = [report(launch, seen(AttemptState.PENDING, queue_position=position)) for position in (1, 5, 500)]
    assert delays == [timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=10)]
