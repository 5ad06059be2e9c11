"""At 100,000 launches, a page of the list and the worker's look for what is due read an index, not the table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks.filling import FILL_LAUNCHES
from launches.leases import due
from launches.models import Attempt, Launch
from launches.queries import LaunchFilters, LaunchRow, list_launches
from launches.states import AttemptState
from tests.launches.makers import make_launch
from wire.pages import Page

ROWS = 100_000
pytestmark = [pytest.mark.django_db, pytest.mark.e2e]  # filling the tables takes its time
Nodes = list[dict[str, Any]]


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


def plan_of(call: Callable[[], object]) -> Nodes:
    """Every node of the plans of the queries that read launches or attempts."""
    with CaptureQueriesContext(connection) as queries:
        call()
    nodes: Nodes = []
    for query in queries:
        if query["sql"].startswith("SELECT") and "launches_" in query["sql"]:
            with connection.cursor() as cursor:
                cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + query["sql"].replace("%", "%%"), None)
                nodes.extend(_walk(cursor.fetchone()[0][0]["Plan"]))
    assert nodes
    return nodes


def _walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _walk(child)


def assert_reads_little(nodes: Nodes) -> None:
    for node in nodes:
        read = node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
        assert read <= 1_000, f"{node['Node Type']} on {node.get('Relation Name')} reads {read} rows"


def page_of(launch: Launch, before: str = "", **filters: Any) -> Page[LaunchRow]:
    return list_launches([launch.account_id], LaunchFilters(**filters), before=before)


def test_pages_and_workers_read_an_index_wherever_they_are_and_however_filtered(launch: Launch) -> None:
    assert_reads_little(plan_of(lambda: page_of(launch)))
    deep = str(Launch.objects.get(job_id=f"bench-{ROWS // 2}").uid)
    assert_reads_little(plan_of(lambda: page_of(launch, before=deep)))
    assert_reads_little(plan_of(lambda: page_of(launch, states=frozenset({AttemptState.FAILED}))))
    assert_reads_little(plan_of(lambda: page_of(launch, states=frozenset({AttemptState.LOST}))))
    assert_reads_little(plan_of(lambda: page_of(launch, owner=launch.owner_id)))
    assert_reads_little(plan_of(lambda: page_of(launch, shape=launch.shape_version.shape)))

    later = timezone.now() + timedelta(minutes=1)
    assert_reads_little(plan_of(lambda: list(Attempt.objects.filter(due(later)).order_by("next_check_at")[:500])))
