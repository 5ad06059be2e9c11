"""Retention where much has gathered: 100,000 launches, of which 100 have 100,000 records and 1,000 events each.

90 of the hundred are deleted by the API and grow old; one tidying takes their records and events, while somebody reads.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import httpx
import psycopg

from benchmarks.filling import fill_launches
from benchmarks.session import BASE_URL, make_api_key, percentile, sign_in

HEAVY, DELETED, RECORDS, EVENTS = 100, 90, 100_000, 1_000
PAGE_SECONDS = 0.2
"""What a page may take meanwhile, of 95 in a hundred."""
LONGEST_SECONDS = 3000
"""As long as a worker has for it: on a machine that does much else it needs half of that."""
JOBS = f"{BASE_URL}/v1/accounts/local/rlorTrainerJobs"
FILL_RECORDS = """
INSERT INTO launches_metric (attempt_id, number, step, loss_per_token, recorded_at)
SELECT a.id, n, n, 1.0 / n, now() FROM launches_attempt a, generate_series(1, %s) n WHERE a.launch_id = ANY(%s)
"""
FILL_EVENTS = """
INSERT INTO launches_event (launch_id, sequence, attempt_number, kind, message, data, actor_label)
SELECT l, n, 1, 'noted', 'Said ' || n, '{}', 'proof' FROM unnest(%s::bigint[]) l, generate_series(2, %s) n
"""
AGE = (
    "UPDATE launches_attempt SET finished_at = now() - interval '400 days' WHERE launch_id = ANY(%s)",
    "UPDATE launches_event SET created_at = now() - interval '400 days' WHERE launch_id = ANY(%s)",
)
NOT_OVER = """
SELECT EXISTS (SELECT FROM launches_attempt a JOIN launches_metric m ON m.attempt_id = a.id
        WHERE a.launch_id = ANY(%s) AND m.number < %s)
    OR EXISTS (SELECT FROM launches_event WHERE launch_id = ANY(%s))
"""
LEFT = """
SELECT (SELECT count(*) FROM launches_metric m JOIN launches_attempt a ON a.id = m.attempt_id
        WHERE a.launch_id = ANY(%s)),
    (SELECT count(*) FROM launches_event WHERE launch_id = ANY(%s))
"""


def prove() -> bool:
    """Print what it took and how long pages took meanwhile; whether what was to go went, and nothing else."""
    client = httpx.Client(headers={"X-Api-Key": make_api_key("retention")}, timeout=60)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database:
        gone, kept, shown = _fill(database)
        with _reading(["/launches", f"/launches/{shown}", "/"]) as quiet:
            time.sleep(10)
        _say("before", quiet)
        with _reading(["/launches", f"/launches/{shown}", "/"]) as took:
            began = time.monotonic()
            for pk in gone:
                client.delete(f"{JOBS}/{_job(database, pk)}").raise_for_status()
            deleted = time.monotonic() - began
            for statement in AGE:
                database.execute(statement, [gone])
            went = _tidy(database, gone)
    print(
        f"{DELETED} launches deleted in {deleted:.1f} s; their {DELETED * RECORDS:,} records and events in {went:.0f} s"
    )
    _say("meanwhile", took)
    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        left = [database.execute(LEFT, [launches, launches]).fetchone() for launches in (gone, kept)]
    whole = left == [(DELETED, 0), (len(kept) * RECORDS, len(kept) * (EVENTS - 1))]
    print(f"left of the deleted {left[0]}, of the others {left[1]}: {'as it should be' if whole else 'WRONG'}")
    return whole and percentile(took, 0.95) < PAGE_SECONDS


def _fill(database: psycopg.Connection) -> tuple[list[int], list[int], str]:
    """The launches that are to go, and to stay, of those with much; and the uid of one that stays."""
    fill_launches(database)
    newest = "SELECT id, uid FROM launches_launch WHERE job_id LIKE 'bench-%%' ORDER BY created_at DESC LIMIT %s"
    rows = database.execute(newest, [HEAVY]).fetchall()
    heavy = [pk for pk, _ in rows]
    began = time.monotonic()
    database.execute("SET synchronous_commit = off")
    database.execute("SET session_replication_role = replica")  # what they belong to is there: ten million looks less
    database.execute(FILL_RECORDS, [RECORDS, heavy])
    database.execute(FILL_EVENTS, [heavy, EVENTS])
    database.execute("UPDATE launches_launch SET last_event = %s WHERE id = ANY(%s)", [EVENTS, heavy])
    database.execute("SET session_replication_role = origin")
    database.execute("ANALYZE")
    print(f"{HEAVY * RECORDS:,} records and {HEAVY * EVENTS:,} events written in {time.monotonic() - began:.0f} s")
    return heavy[:DELETED], heavy[DELETED:], str(rows[-1][1])


def _job(database: psycopg.Connection, pk: int) -> str:
    found = database.execute("SELECT job_id FROM launches_launch WHERE id = %s", [pk]).fetchone()
    assert found
    return str(found[0])


@contextmanager
def _reading(addresses: list[str]) -> Iterator[list[float]]:
    """Somebody who reads these pages in turns meanwhile; the seconds that each took."""
    browser, took, over = sign_in(), list[float](), threading.Event()

    def read() -> None:
        while not over.is_set():
            for address in addresses:
                began = time.perf_counter()
                browser.get(address).raise_for_status()
                took.append(time.perf_counter() - began)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield took
    finally:
        over.set()
        reader.join()


def _tidy(database: psycopg.Connection, launches: list[int]) -> float:
    """Have a worker do what it does every hour; the seconds until what was to go is gone."""
    from config.celery import app  # noqa: PLC0415 -- once Django is set up
    from config.tidying import TIDY  # noqa: PLC0415

    app.send_task(TIDY)
    began = time.monotonic()
    while database.execute(NOT_OVER, [launches, RECORDS, launches]).fetchone() == (True,):
        if time.monotonic() - began > LONGEST_SECONDS:
            break
        time.sleep(1)
    return time.monotonic() - began


def _say(when: str, took: list[float]) -> None:
    ms = [1000 * value for value in (median(took), percentile(took, 0.95), max(took))]
    print(f"pages {when}: {len(took)}, median {ms[0]:.0f} ms, 95 % {ms[1]:.0f} ms, slowest {ms[2]:.0f} ms")
