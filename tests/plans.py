"""What Postgres does for a call: the plans of its queries, and how many rows each of their steps reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

PAGE_READS = 1_000
"""Rows that a step may read for a page of a list."""


def assert_reads_little(table: str, call: Callable[[], object], *, most: int = PAGE_READS, counted: int = 0) -> None:
    """The call reads the table, or those whose names begin so, and no step reads more rows than `most`.

    A query that counts may read `counted`, where that is more.
    """
    plans = list(_plans(table, call))
    assert plans, f"nothing reads {table}"
    for sql, plan in plans:
        limit = max(most, counted) if "COUNT(" in sql else most
        for step in _steps(plan):
            removed = step.get("Rows Removed by Filter", 0) + step.get("Rows Removed by Index Recheck", 0)
            read = (step["Actual Rows"] + removed) * step["Actual Loops"]
            assert read <= limit, f"{step['Node Type']} on {step.get('Relation Name')} reads {read} rows\n{sql}"


def _plans(table: str, call: Callable[[], object]) -> Iterator[tuple[str, dict[str, Any]]]:
    with CaptureQueriesContext(connection) as queries:
        call()
    for query in queries:
        sql = query["sql"]
        if sql.startswith(("SELECT", "(SELECT", "\n    WITH")) and table in sql:
            with connection.cursor() as cursor:
                cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + sql.replace("%", "%%"), None)
                yield sql, cursor.fetchone()[0][0]["Plan"]


def _steps(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield step
    for child in step.get("Plans", []):
        yield from _steps(child)
