"""A look is a row that a worker takes: one at a time, by whoever asked last, and done by one worker alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.actors import SYSTEM, user_actor
from accounts.models import AuditEntry
from catalog.domain.advance_sync import MOST_TRIES, advance_sync
from catalog.domain.request_sync import request_sync
from catalog.domain.sweep_syncs import sweep_syncs
from catalog.models import SyncRun, TrainingShape
from catalog.states import SyncOutcome
from connections.models import Connection
from connections.providers.catalogs import RemoteCatalog
from queues.leases import LEASE
from tests.catalog.offered import OFFERING, OfferingEngine, make_offering, remote
from tests.connections.makers import local_connection
from tests.connections.remote import registered
from tests.makers import make_account, make_member, make_user
from wire.errors import FailedPrecondition, PermissionDenied

pytestmark = pytest.mark.django_db


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[OfferingEngine]:
    engine = OfferingEngine()
    with registered(monkeypatch, OFFERING, engine):
        engine.offer(remote("a-64k"))
        yield engine


@pytest.fixture
def far(engine: OfferingEngine) -> Connection:
    return make_offering()


def left_by_a_worker(run: SyncRun) -> None:
    """As a worker leaves it that died long ago."""
    before = timezone.now() - 10 * LEASE
    SyncRun.objects.filter(pk=run.pk).update(
        lease_token="00000000-0000-0000-0000-000000000001",
        lease_until=before,
        next_check_at=before,
    )


def test_who_asks_last_says_what_is_done_and_it_is_done_in_their_name(far: Connection) -> None:
    boss = make_user(superuser=True)
    first = request_sync(actor=SYSTEM, connection=far)
    left_by_a_worker(first)
    asked = request_sync(actor=user_actor(boss), connection=far, plan_only=True)
    assert (asked.pk, SyncRun.objects.count()) == (first.pk, 1)
    assert (asked.lease_token, asked.lease_until) == (None, None)
    advance_sync(asked.pk)
    run = SyncRun.objects.get()
    assert (run.outcome, run.started_by) == (SyncOutcome.PLANNED, boss.username)
    assert not TrainingShape.objects.exists()
    assert list(AuditEntry.objects.values_list("verb", "target")) == [("request_sync", "connections/far")]
    with pytest.raises(PermissionDenied):
        request_sync(actor=user_actor(make_member(account=make_account(), role="admin")), connection=far)
    with pytest.raises(FailedPrecondition, match="no catalog of its own"):
        request_sync(actor=SYSTEM, connection=local_connection())


def test_a_right_that_was_lost_meanwhile_is_asked_for_again(far: Connection) -> None:
    boss = make_user(superuser=True)
    asked = request_sync(actor=user_actor(boss), connection=far)
    boss.is_superuser = False
    boss.save()
    advance_sync(asked.pk)
    assert SyncRun.objects.get().outcome == SyncOutcome.FAILED
    assert not TrainingShape.objects.exists()


def test_it_tells_how_far_it_is_and_nobody_else_looks_meanwhile(
    engine: OfferingEngine, far: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def asks(self: OfferingEngine) -> RemoteCatalog:
        told.append(SyncRun.objects.get().detail)
        with pytest.raises(FailedPrecondition, match="being looked at just now"):
            request_sync(actor=SYSTEM, connection=far)
        advance_sync(asked.pk)  # another worker that got a doubled hint
        return self.catalog

    monkeypatch.setattr(OfferingEngine, "list_catalog", asks)
    asked = request_sync(actor=SYSTEM, connection=far)
    advance_sync(asked.pk)
    assert told == ["Asking Far what it offers."]
    assert SyncRun.objects.get().outcome == SyncOutcome.APPLIED


def test_what_a_dead_worker_left_is_done_by_the_next_and_given_up_in_the_end(far: Connection) -> None:
    asked = request_sync(actor=SYSTEM, connection=far)
    left_by_a_worker(asked)
    advance_sync(asked.pk)
    assert SyncRun.objects.get().outcome == SyncOutcome.APPLIED
    again = request_sync(actor=SYSTEM, connection=far, plan_only=True)
    SyncRun.objects.filter(pk=again.pk).update(failures=MOST_TRIES - 1)
    left_by_a_worker(again)
    advance_sync(again.pk)
    run = SyncRun.objects.get(pk=again.pk)
    assert (run.outcome, run.detail) == (
        SyncOutcome.FAILED,
        "3 workers that looked did not come back; nothing was changed.",
    )


def test_a_worker_that_lost_its_row_changes_nothing(
    engine: OfferingEngine, far: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loses(self: OfferingEngine) -> RemoteCatalog:
        left_by_a_worker(asked)
        return self.catalog

    monkeypatch.setattr(OfferingEngine, "list_catalog", loses)
    asked = request_sync(actor=SYSTEM, connection=far)
    advance_sync(asked.pk)
    assert SyncRun.objects.get().outcome == SyncOutcome.ASKED
    assert not TrainingShape.objects.exists()


def test_the_sweep_asks_for_what_is_due_and_hints_again_at_what_waits(
    far: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    hinted: list[int] = []
    monkeypatch.setattr("queues.hints.hint", lambda _task, pk: hinted.append(pk))
    sweep_syncs()
    asked = SyncRun.objects.get()
    assert (asked.outcome, asked.started_by, hinted) == (SyncOutcome.ASKED, "", [])
    SyncRun.objects.update(next_check_at=timezone.now() - timedelta(seconds=5))
    sweep_syncs()
    assert (hinted, SyncRun.objects.count()) == ([asked.pk], 1)
