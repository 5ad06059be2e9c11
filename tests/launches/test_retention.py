"""Nine in ten of a thousand launches deleted, a thousand records each: what stays, and pages are read meanwhile."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actors import SYSTEM
from accounts.models import AuditEntry
from config.tidying import tidy_all
from connections.providers.states import AttemptState
from launches.domain.delete_launch import delete_launch
from launches.domain.purge_launch import purge_launch
from launches.models import Attempt, Event, Launch, Metric
from tests.launches.makers import attempt_of, bring_to, make_launch
from tests.makers import sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.e2e]  # for how long it takes
LAUNCHES, RECORDS = 1_000, 1_000


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lies in a shared one may be of a test in another process, and of no row here."""
    monkeypatch.setattr(settings, "SLIPWAY_HOME", tmp_path)


def make_many() -> Launch:
    """The newest of so many launches that failed, each with its events and records."""
    launch = make_launch()
    bring_to(launch, AttemptState.FAILED)
    launch.refresh_from_db()
    attempt, events = attempt_of(launch), list(Event.objects.filter(launch=launch))
    launches = Launch.objects.bulk_create(
        copy(launch, job_id=f"copy-{n}", idempotency_key=f"copy-{n}") for n in range(LAUNCHES - 1)
    )
    Attempt.objects.bulk_create(copy(attempt, launch=each) for each in launches)
    Event.objects.bulk_create(copy(event, launch=each) for each in launches for event in events)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO launches_metric (attempt_id, number, step, loss_per_token, recorded_at) "
            "SELECT a.id, n, n, 1.0 / n, now() FROM launches_attempt a, generate_series(1, %s) n",
            [RECORDS],
        )
        cursor.execute("ANALYZE")
    return launch


def copy(row: Any, **other: Any) -> Any:
    """A row like it, not written yet, with these values instead."""
    kind = type(row)
    names = [field.attname for field in kind._meta.concrete_fields if not field.generated]
    values = {name: getattr(row, name) for name in names if name not in {"id", "uid"}}
    for name, value in other.items():
        values.pop(f"{name}_id", None)
        values[name] = value
    return kind(**values)


def test_deleting_nine_in_ten_of_a_thousand_launches_keeps_the_rest_and_keeps_pages_quick(
    client: Client, settings: Settings
) -> None:
    newest = make_many()
    browser = sign_in(client, newest.owner)
    settings.SLIPWAY_EVENTS_DAYS = settings.SLIPWAY_AUDIT_DAYS = settings.SLIPWAY_RECORDS_DAYS = 30
    took: list[float] = []

    def read() -> None:
        began = time.perf_counter()
        assert browser.get("/launches").status_code == 200
        took.append(time.perf_counter() - began)

    read()
    deleted = list(Launch.objects.exclude(pk=newest.pk).order_by("pk")[: LAUNCHES * 9 // 10])
    for number, launch in enumerate(deleted):
        delete_launch(actor=SYSTEM, launch=launch)
        purge_launch(launch.pk)
        if number % 100 == 0:
            read()
    gone = [launch.pk for launch in deleted]
    old = timezone.now() - timedelta(days=31)
    Attempt.objects.filter(launch__in=gone).update(finished_at=old)
    Event.objects.filter(launch__in=gone).update(created_at=old)
    tidy_all(now=timezone.now())
    read()
    left = Launch.objects.exclude(pk__in=gone)
    assert left.count() == LAUNCHES // 10
    assert Metric.objects.filter(attempt__launch__in=left).count() == LAUNCHES // 10 * RECORDS
    assert Metric.objects.filter(attempt__launch__in=gone).count() == len(gone)  # the newest of each, for lists
    assert not Event.objects.filter(launch__in=gone).exists() and Event.objects.filter(launch__in=left).exists()
    assert AuditEntry.objects.filter(verb="delete_launch").count() == len(gone)
    print(f"pages took {median(took) * 1000:.0f} ms, the slowest {max(took) * 1000:.0f} ms")  # noqa: T201
    assert median(took) < 0.2, took
