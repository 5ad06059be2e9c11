"""What grows is removed by one task once it is as old as its setting says: no checkpoint, event or audit entry."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.models import AuditEntry
from config import tidying
from config.celery import app
from connections.providers.states import AttemptState
from deployments.domain import forget_sampler_records
from deployments.models import SamplerMetric
from launches.domain import forget_records as forgetting
from launches.domain.append_event import append_event
from launches.models import Attempt, Checkpoint, Event, Metric
from publishing.models import CatalogImport
from tests.deployments.makers import make_deployment
from tests.launches.makers import attempt_of, bring_to, make_launch
from tests.makers import make_account, make_user, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lies in a shared one may be of a test in another process, and of no row here."""
    monkeypatch.setattr(settings, "SLIPWAY_HOME", tmp_path)


def make_ended(days_ago: float) -> Attempt:
    """An attempt with three records, a log and a checkpoint, that ended then."""
    launch = make_launch()
    bring_to(launch, AttemptState.FAILED)
    attempt = attempt_of(launch)
    then = timezone.now() - timedelta(days=days_ago)
    Attempt.objects.filter(pk=attempt.pk).update(finished_at=then, log_tail="the last words")
    Metric.objects.bulk_create(Metric(attempt=attempt, number=n, step=n, recorded_at=then) for n in (1, 2, 3))
    Checkpoint.objects.create(launch=launch, name="step-3", step=3, size_bytes=1, saved_at=then)
    return attempt


def test_records_of_old_attempts_go_but_the_newest_and_everything_else_stays() -> None:
    old, young = make_ended(settings.SLIPWAY_RECORDS_DAYS + 1), make_ended(settings.SLIPWAY_RECORDS_DAYS - 1)
    kept = (Event.objects.count(), AuditEntry.objects.count(), Checkpoint.objects.count())
    for _ in range(2):
        tidying.tidy_all(now=timezone.now())
        assert [list(each.metrics.order_by("number").values_list("number", flat=True)) for each in (old, young)] == [
            [3],
            [1, 2, 3],
        ]
        assert [attempt_of(each.launch).log_tail for each in (old, young)] == ["", "the last words"]
    assert (Event.objects.count(), AuditEntry.objects.count(), Checkpoint.objects.count()) == kept


def test_records_of_samplers_go_by_their_age_whatever_became_of_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    launch, now = make_launch(), timezone.now()
    row = make_deployment(owner=launch.owner, account=launch.account, version=launch.shape_version)
    SamplerMetric.objects.bulk_create(
        SamplerMetric(
            deployment=row, start=1, number=number, is_load=False, requests=1, prompt_tokens=1, completion_tokens=1,
            seconds=1.0, at=now - timedelta(days=settings.SLIPWAY_RECORDS_DAYS + over),
        )
        for number, over in enumerate((1, 2, -1), 1)
    )  # fmt: skip
    monkeypatch.setattr(forget_sampler_records, "BATCH", 1)
    tidying.tidy_all(now=now)
    assert list(row.metrics.values_list("number", flat=True)) == [3]


def test_timelines_and_the_audit_log_go_by_their_age_where_a_time_is_set(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(days: int) -> None:
        for name in ("SLIPWAY_EVENTS_DAYS", "SLIPWAY_AUDIT_DAYS"):
            monkeypatch.setattr(settings, name, days)

    over, runs = make_ended(1).launch, make_launch()
    make_ended(1)
    now = timezone.now() + timedelta(days=40)
    written = (Event.objects.count(), AuditEntry.objects.count())
    tidying.tidy_all(now=now)
    assert (Event.objects.count(), AuditEntry.objects.count()) == written, "off by default"
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEntry.objects.all().delete()
    keep(41)
    tidying.tidy_all(now=now)
    assert (Event.objects.count(), AuditEntry.objects.count()) == written
    keep(39)
    tidying.tidy_all(now=now)
    assert {event.launch for event in Event.objects.all()} == {runs}
    (entry,) = AuditEntry.objects.all()
    assert entry.after
    assert (entry.verb, entry.after["entries"]) == ("forget_audit_entries", written[1])
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEntry.objects.all().delete()
    page = sign_in(client, over.owner).get(f"/launches/{over.uid}")
    assert page.status_code == 200
    over.refresh_from_db()
    append_event(over, kind="noted", message="Said later", actor=SYSTEM)
    assert Event.objects.get(launch=over).sequence == over.last_event > 1


def test_sessions_and_uploads_that_are_over_go() -> None:
    now = timezone.now()
    for key, days in (("over", -1), ("open", 1)):
        Session.objects.create(session_key=key, session_data="", expire_date=now + timedelta(days=days))
    for source, days in (("old", 2), ("new", 0)):
        kept = CatalogImport.objects.create(
            account=make_account(), user=make_user(), source=source, sha256="", text="accounts: []"
        )
        CatalogImport.objects.filter(pk=kept.pk).update(created_at=now - timedelta(days=days))
    tidying.tidy_all(now=now)
    assert list(Session.objects.values_list("session_key", flat=True)) == ["open"]
    assert list(CatalogImport.objects.values_list("source", flat=True)) == ["new"]
    assert settings.SESSION_COOKIE_AGE == 14 * 86_400


def test_what_cannot_be_tidied_now_does_not_keep_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    old = make_ended(settings.SLIPWAY_RECORDS_DAYS + 1)

    def broken(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tidying, "forget_sessions", broken)
    monkeypatch.setattr(forgetting, "BATCH", 1)
    tidying.tidy_all(now=timezone.now())
    assert old.metrics.count() == 1


def test_beat_sends_the_task_and_workers_have_it() -> None:
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    app.loader.import_default_modules()
    assert tidying.TIDY in scheduled
    assert app.tasks[tidying.TIDY].time_limit > settings.CELERY_TASK_TIME_LIMIT, "much takes its time"
    assert scheduled <= set(app.tasks)
