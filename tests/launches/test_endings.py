"""An ending that takes long: the lease is kept, each batch counts, and the outcome comes last."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.actors import user_actor
from connections.providers.attempts import Observation, Progress, Reference, Submission, Truncation
from connections.providers.capabilities import Capabilities
from connections.providers.checkpoints import CheckpointList, CheckpointRecord
from connections.providers.recipes import Recipe
from connections.providers.spec import TrainerSpec
from connections.providers.states import AttemptState, Reason
from connections.providers.telemetry import LogChunk, MetricPage
from launches.domain import advance_launch as advancing
from launches.domain.advance_launch import advance_launch
from launches.domain.apply_reading import apply_reading
from launches.domain.cancel_launch import cancel_launch
from launches.domain.claim_attempt import claim_attempt
from launches.models import Attempt
from queues import leases
from tests.launches.makers import NOW, attempt_of, make_launch, metric

pytestmark = pytest.mark.django_db
PAGE = 10


@dataclass
class Ended:
    """A provider whose only attempt has completed and left so many records, each read slowly."""

    records: int
    seconds: float = 0
    calls: list[int] = field(default_factory=list)
    limits: tuple[Truncation, ...] = ()

    def recipes(self, spec: TrainerSpec) -> Sequence[Recipe]:
        raise NotImplementedError

    def fits(self, spec: TrainerSpec) -> Sequence[str]:
        raise NotImplementedError

    def submit(self, submission: Submission) -> None: ...

    def observe(self, reference: Reference) -> Observation:
        return Observation(AttemptState.COMPLETED, reason=Reason.DONE)

    def cancel(self, reference: Reference) -> None: ...

    def delete(self, account: str, job: str, *, keep_checkpoints: bool = False) -> None:
        raise NotImplementedError

    def list_references(self) -> Sequence[Reference]:
        return []

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(poll_seconds=1.0)

    def logs(self, reference: Reference, after: int) -> LogChunk:
        return LogChunk("end\n" if after == 0 else "", 4, self.limits)

    def metrics(self, reference: Reference, offset: int) -> MetricPage:
        time.sleep(self.seconds)
        self.calls.append(offset)
        upto = min(offset + PAGE, self.records)
        return MetricPage(tuple(metric(number) for number in range(offset + 1, upto + 1)), upto)

    def checkpoints(self, account: str, job: str) -> CheckpointList:
        return CheckpointList((CheckpointRecord("last", self.records, 1, NOW),))


def connect(monkeypatch: pytest.MonkeyPatch, provider: Ended) -> Ended:
    monkeypatch.setattr(advancing, "provider_to_act", lambda _: provider)
    return provider


@pytest.mark.e2e  # several leases, if short ones
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("records", "seconds"), [(0, 5.0), (9 * PAGE, 0.5)])
def test_a_read_of_several_leases_is_left_to_its_worker(
    monkeypatch: pytest.MonkeyPatch, records: int, seconds: float
) -> None:
    monkeypatch.setattr(leases, "LEASE", timedelta(seconds=1.5))
    connect(monkeypatch, Ended(records=records, seconds=seconds))
    attempt = attempt_of(make_launch())

    def work() -> timedelta | None:
        try:
            return advance_launch(attempt.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        while Attempt.objects.get(pk=attempt.pk).lease_token is None:
            time.sleep(0.01)
        while not working.done():
            assert claim_attempt(attempt.pk, now=timezone.now()) is None
            time.sleep(0.05)
        assert working.result() is None
    attempt.refresh_from_db()
    assert (attempt.state, attempt.failures, attempt.metrics.count()) == ("COMPLETED", 0, records)


def test_an_ending_longer_than_a_step_goes_on_where_it_was_and_the_outcome_is_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(advancing, "STEP_SECONDS", -1)
    provider = connect(monkeypatch, Ended(records=35))
    launch = make_launch()
    for read in (10, 20, 30, 35):
        assert advance_launch(attempt_of(launch).pk) == timedelta(), "the next step is due at once"
        attempt = attempt_of(launch)
        assert (attempt.state, attempt.metrics.count(), attempt.lease_token) == ("QUEUED", read, None)
    assert attempt.log_tail == "end\n"
    assert advance_launch(attempt.pk) is None
    attempt = attempt_of(launch)
    assert (attempt.state, attempt.metrics_read, attempt.log_tail) == ("COMPLETED", 35, "end\n")
    assert launch.checkpoints.get().name == "last"
    assert launch.events.order_by("-sequence")[0].data["state"] == "COMPLETED"
    assert provider.calls == [0, 10, 20, 30, 35]


def test_a_worker_that_dies_while_it_reads_an_ending_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, Ended(records=35))
    launch = make_launch()
    with monkeypatch.context() as dying:

        def die(*_: object) -> bool:
            assert apply_reading(*_)  # type: ignore[arg-type]
            raise SystemExit

        dying.setattr(advancing, "apply_reading", die)
        with pytest.raises(SystemExit):
            advance_launch(attempt_of(launch).pk)
    attempt = attempt_of(launch)
    assert (attempt.state, attempt.metrics_offset) == ("QUEUED", 10)
    assert advance_launch(attempt.pk) is None, "it is held for as long as the lease"
    Attempt.objects.filter(pk=attempt.pk).update(lease_until=timezone.now())
    assert advance_launch(attempt.pk) is None
    attempt = attempt_of(launch)
    assert (attempt.state, attempt.metrics.count(), attempt.metrics_read) == ("COMPLETED", 35, 35)


def test_a_row_whose_workers_die_again_and_again_waits_longer() -> None:
    attempt, now = attempt_of(make_launch()), timezone.now()
    for failures in range(4):
        claim = claim_attempt(attempt.pk, now=now)
        assert claim is not None
        assert claim.attempt.failures == failures
        due = max(claim.attempt.next_check_at, now + leases.LEASE)
        assert claim_attempt(attempt.pk, now=due - timedelta(milliseconds=1)) is None
        assert due - now >= leases.LEASE + timedelta(seconds=0.75 * 2 ** (failures - 1) if failures else 0)
        now = due


def test_a_lease_that_somebody_else_took_is_not_renewed() -> None:
    attempt, now = attempt_of(make_launch()), timezone.now()
    stale = claim_attempt(attempt.pk, now=now)
    fresh = claim_attempt(attempt.pk, now=now + leases.LEASE)
    assert stale is not None
    assert fresh is not None
    assert (stale.lease.renew(), fresh.lease.renew()) == (False, True)


def test_a_limit_is_said_once_an_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(
        monkeypatch, Ended(records=25, limits=(Truncation("log", "Too much log."), Truncation("log", "Too much log.")))
    )
    launch = make_launch()
    advance_launch(attempt_of(launch).pk)
    assert attempt_of(launch).state == "COMPLETED"
    assert [event.message for event in launch.events.filter(kind="limit")] == ["Too much log."]


def test_a_flood_is_written_in_few_statements_and_a_cancel_gets_through(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = connect(monkeypatch, Ended(records=0))
    launch = make_launch()
    progress = tuple(Progress(number, f"line {number}") for number in range(1, 301))
    many = CheckpointList(tuple(CheckpointRecord(f"step-{number}", number, 1, NOW) for number in range(5000)))
    monkeypatch.setattr(provider, "observe", lambda _: Observation(AttemptState.RUNNING, progress=progress))
    monkeypatch.setattr(provider, "checkpoints", lambda *_: many)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        advance_launch(attempt_of(launch).pk)
    assert len(queries) < 50
    assert (launch.checkpoints.count(), launch.events.filter(kind="progress").count()) == (5000, 300)
    numbers = list(launch.events.order_by("sequence").values_list("sequence", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    cancel_launch(actor=user_actor(launch.owner), launch=launch)
    assert attempt_of(launch).state == "CANCELLING"
