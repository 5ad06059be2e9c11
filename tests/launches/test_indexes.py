"""At 100,000 launches, a page of the list and the worker's look for what is due read an index, not the table."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.db.models import Q
from django.http import QueryDict
from django.utils import timezone

from benchmarks.filling import FILL_LAUNCHES
from catalog.models import ShapeVersion
from catalog.sync.wanted import NOT_OFFERED
from launches.domain.create_launch import _HELD
from launches.filters import LAUNCHES
from launches.models import Attempt, Launch
from launches.queries import (
    NEWEST_FIRST,
    given_file,
    launched_shapes,
    list_launches,
    listed_launches,
    vanished_shapes,
)
from lists.prepared import Prepared
from queues.leases import due
from tests import plans
from tests.launches.makers import make_launch

ROWS = 100_000
GIVE_DATASETS = """
UPDATE launches_launch SET spec = spec || jsonb_build_object(given.what, jsonb_build_object('file', given.file))
FROM (VALUES ('dataset', 'common', 5), ('dataset', 'rare', 4999), ('evaluation', 'rare', 4998)) given (what, file, each)
WHERE launches_launch.id % given.each = 0 AND (given.file = 'rare' OR launches_launch.id % 4999 > 0);
ANALYZE launches_launch
"""
"""A dataset that a fifth of all launches was given, and one that twenty were given and twenty measured."""
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


def page_of(launch: Launch, cursor: str = "", **asked: str) -> Callable[[], object]:
    found = LAUNCHES.read(QueryDict(urlencode(asked)))
    assert not found.problems
    mine = [launch.account_id]

    def read() -> object:
        wanted = found.condition_among(listed_launches(mine, Q()), launch.owner)
        return list_launches(mine, wanted, found.order, cursor)

    return read


def behind(asked: str, launch: Launch) -> str:
    order = LAUNCHES.read(QueryDict(f"sort={asked}")).order
    return order.cursor(order.place_of(launch))


def plan_for_any_values(written: Prepared[Any], **given: str) -> str:
    """What Postgres keeps of a query that is asked again and again, where it finds no use in the values."""
    numbers = count(1)
    text = re.sub("%s", lambda _: f"${next(numbers)}", written._written.text)
    values = ", ".join(given[place.name] for place in written._written.places)
    with connection.cursor() as cursor:
        cursor.execute(f"PREPARE asked AS {text}")
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(f"EXPLAIN EXECUTE asked ({values})")
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("DEALLOCATE asked; SET LOCAL plan_cache_mode = auto")
    return plan


def test_pages_and_workers_read_an_index_wherever_they_are_and_however_filtered(launch: Launch) -> None:
    assert_reads_little(page_of(launch))
    assert_reads_little(page_of(launch, state="FAILED"))
    assert_reads_little(page_of(launch, state="LOST"))
    assert_reads_little(page_of(launch, owner="me"))
    shape = launch.shape_version.shape
    assert_reads_little(page_of(launch, shape=f"{shape.account.account_id}/{shape.shape_id}"))
    for text in ("bench-77777", "bench 77777", "bench-777"):  # one, one, and a hundred far down
        assert_reads_little(page_of(launch, q=text))
        assert_reads_little(page_of(launch, q=text, sort="-loss"))
    assert_reads_little(page_of(launch, q="nothing-like-it"))
    assert_reads_little(page_of(launch, since="2020-01-01", until="2020-01-02"))

    middle = Launch.objects.get(job_id=f"bench-{ROWS // 2 + 1}")
    without = Launch.objects.get(job_id=f"bench-{ROWS // 2}")
    assert (middle.last_loss is None, without.last_loss is None) == (False, True)
    for column in LAUNCHES.sorts:
        for sort in (column.word, f"-{column.word}"):
            assert_reads_little(page_of(launch, sort=sort))
            for row in (middle, without):
                assert_reads_little(page_of(launch, behind(sort, row), sort=sort))

    assert_reads_little(lambda: launched_shapes(launch.account))
    gone = ShapeVersion.objects.filter(pk=launch.shape_version_id)
    gone.update(deprecated_at=timezone.now(), deprecation_message=f"{NOT_OFFERED} by far since today")
    assert_reads_little(lambda: vanished_shapes(launch.owner_id, [launch.account_id]))

    held = plan_for_any_values(_HELD, version="1", connection="1", account="'a'", job="'b'")
    assert "adopted_once" in held, held

    with connection.cursor() as cursor:
        for statement in GIVE_DATASETS.split(";\n"):
            cursor.execute(statement)
    for file in ("rare", "common", "none"):
        wanted = given_file(file)
        assert_reads_little(partial(list_launches, [launch.account_id], wanted, NEWEST_FIRST))

    later = timezone.now() + timedelta(minutes=1)
    assert_reads_little(lambda: list(Attempt.objects.filter(due(later)).order_by("next_check_at")[:500]))
