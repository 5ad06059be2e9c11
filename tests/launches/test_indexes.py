"""At 100,000 launches, a page of the list and the worker's look for what is due read an index, not the table."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from benchmarks.filling import FILL_LAUNCHES
from launches.leases import due
from launches.models import Attempt, Launch
from launches.queries import NEWEST_FIRST, LaunchFilters, list_launches
from launches.states import AttemptState
from tests import plans
from tests.launches.makers import make_launch

ROWS = 100_000
pytestmark = [pytest.mark.django_db, pytest.mark.e2e]  # filling the tables takes its time


@pytest.fixture
def launch() -> Launch:
    """One of the many launches of account `local`, all by the same owner from the same version."""
    launch = make_launch()
    with connection.cursor() as cursor:
        values: dict[str, int | str] = {"rows": ROWS, "spec": json.dumps(launch.spec), "user": launch.owner.username}
        for statement in FILL_LAUNCHES.split(";\n"):
            if statement.strip():
                cursor.execute(statement, values if "%" in statement else None)
    return launch


def assert_reads_little(call: Callable[[], object]) -> None:
    plans.assert_reads_little("launches_", call)


def page_of(launch: Launch, cursor: str = "", **filters: Any) -> Callable[[], object]:
    return lambda: list_launches([launch.account_id], LaunchFilters(**filters), cursor)


def test_pages_and_workers_read_an_index_wherever_they_are_and_however_filtered(launch: Launch) -> None:
    assert_reads_little(page_of(launch))
    middle = Launch.objects.get(job_id=f"bench-{ROWS // 2}")
    assert_reads_little(page_of(launch, NEWEST_FIRST.cursor(NEWEST_FIRST.place_of(middle))))
    assert_reads_little(page_of(launch, states=frozenset({AttemptState.FAILED})))
    assert_reads_little(page_of(launch, states=frozenset({AttemptState.LOST})))
    assert_reads_little(page_of(launch, owner=launch.owner_id))
    assert_reads_little(page_of(launch, shape=launch.shape_version.shape))

    later = timezone.now() + timedelta(minutes=1)
    assert_reads_little(lambda: list(Attempt.objects.filter(due(later)).order_by("next_check_at")[:500]))
