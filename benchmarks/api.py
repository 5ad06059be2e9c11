"""What the API costs at 100,000 shapes and versions: lists beside their bare SQL, creating a job beside Celery.

SQL      the rows of the page alone, on a connection that is open; the API adds the key, the count and the JSON
first    the same where something of the catalog was written just before, so that no answer was kept
queries  what one such request asks the database
Celery   sending the pulse task until the worker has done it; the worker is the one that submits jobs

The API's caller reads what it has to and no more: httpx takes as long for an answer as some of these SQL, http.client
0.3 ms on the cores where these took 1.1 ms.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any, LiteralString
from urllib.parse import quote

import httpx
import psycopg
import redis

from benchmarks.callers import OpenCaller
from benchmarks.filling import ROWS, fill_shapes
from benchmarks.noted import note
from benchmarks.results import Figure
from benchmarks.session import BASE_URL, interleaved, make_api_key, percentile, seconds_of, set_up_django

ROUNDS, JOBS, FIRST_JOBS = 100, 60, 20
"""The first jobs after a start take longer, until each process and connection has what it keeps: they stand apart. Of
lists the median is of so many that those before a connection has the query prepared, five of each, do not matter.
"""
LONGEST_SECONDS = 420
MODEL = "accounts/fireworks/models/bench-777"
SHAPE = "accounts/local/trainingShapes/tiny-qwen3-2k-lora"
BODY = {"trainingConfig": {"baseModel": "accounts/local/models/tiny-qwen3", "loraRank": 8}}
RUNNING = ("api-bench-first", "api-bench-second")
JOBS_PATH = "/v1/accounts/local/rlorTrainerJobs"

CHANGE: LiteralString = "UPDATE catalog_basemodel SET title = %s WHERE model_id = 'bench-77'"
VERSION_ROWS: LiteralString = """
SELECT * FROM catalog_shapeversion v JOIN catalog_trainingshape s ON s.id = v.shape_id
JOIN accounts_account a ON a.id = s.account_id JOIN catalog_basemodel m ON m.id = s.base_model_id
JOIN accounts_account o ON o.id = m.account_id WHERE v.is_public AND v.state = 'VALIDATED'
"""
OF_MODEL: LiteralString = " AND m.model_id = 'bench-777' AND o.account_id = 'fireworks'"
NEWEST_VERSIONS: LiteralString = " ORDER BY v.created_at DESC, v.id DESC LIMIT 51"
NEWEST_SHAPES: LiteralString = " ORDER BY s.created_at DESC, s.id DESC LIMIT 51"
LATEST: LiteralString = " AND v.is_latest_validated"

SHAPES_PATH = "/v1/accounts/-/trainingShapes"
VERSIONS_PATH = f"{SHAPES_PATH}/-/versions"
LISTS: dict[str, tuple[str, LiteralString]] = {
    "shapes": (SHAPES_PATH, VERSION_ROWS + LATEST + NEWEST_SHAPES),
    "shapes of a model": (
        f'{SHAPES_PATH}?filter=base_model="{MODEL}"',
        VERSION_ROWS + LATEST + OF_MODEL + NEWEST_SHAPES,
    ),
    "versions": (VERSIONS_PATH, VERSION_ROWS + NEWEST_VERSIONS),
    "versions, the latest of a model": (
        f'{VERSIONS_PATH}?filter=latest_validated=true AND snapshot.base_model="{MODEL}"',
        VERSION_ROWS + LATEST + OF_MODEL + NEWEST_VERSIONS,
    ),
}


def main() -> None:
    """Print each figure beside its floor."""
    client = httpx.Client(base_url=BASE_URL, headers={"X-Api-Key": make_api_key("bench api")}, timeout=30)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database:
        fill_shapes(database)
        caller = OpenCaller(BASE_URL, {"X-Api-Key": client.headers["X-Api-Key"], "Accept-Encoding": "gzip"})
        _compare_lists(client, caller, database)
        _compare_jobs(client, caller, database)


def _compare_lists(client: httpx.Client, caller: OpenCaller, database: psycopg.Connection) -> None:
    heads = f"{'list':34}{'ms':>8}{'SQL ms':>9}{'ratio':>8}{'queries':>9}{'first ms':>10}{'ratio':>8}"
    print(f"\nlists at {ROWS:,} versions\n{heads}")
    for name, (path, rows) in LISTS.items():
        took, least = interleaved([partial(_get, caller, path), partial(_fetch, database, rows)], ROUNDS)
        asked = partial(_call, "get", path, client)
        first_queries, queries = _queries(asked), _queries(asked)
        first, floor = _first_answers(partial(_get, caller, path), database, rows)
        print(f"{name:34}{took * 1000:8.1f}{least * 1000:9.1f}{took / least:8.1f}{queries:9}", end="")
        print(f"{first * 1000:10.1f}{first / floor:8.1f}")
        note(Figure(f"API, list of {name}", took, least, rate=1 / took, queries=queries))
        note(Figure(f"API, list of {name}, first after a change", first, floor, queries=first_queries))


def _first_answers(ask: Callable[[], None], database: psycopg.Connection, rows: LiteralString) -> tuple[float, float]:
    """Median seconds of an answer that was not kept, and of its SQL."""
    taken = []
    for number in range(ROUNDS):
        database.execute(CHANGE, [f"Bench 77, {number}"])
        taken.append((seconds_of(ask), seconds_of(partial(_fetch, database, rows))))
    first, floor = (statistics.median(times) for times in zip(*taken, strict=True))
    return first, floor


def _get(caller: OpenCaller, path: str) -> None:
    caller.ask("GET", quote(path, safe="/?=&"))


def _create(caller: OpenCaller, name: str) -> None:
    caller.ask("POST", f"{JOBS_PATH}?rlorTrainerJobId={name}&trainingShape={SHAPE}", json.dumps(BODY).encode())


def _fetch(database: psycopg.Connection, query: LiteralString) -> None:
    database.execute(query).fetchall()


def _compare_jobs(client: httpx.Client, caller: OpenCaller, database: psycopg.Connection) -> None:
    """Jobs that wait behind two that run, so that no trainer's start is measured with them."""
    for name in RUNNING:
        _create(caller, name)
        _wait(partial(_is_ready, client, name), every=0.5)
        caller.close()  # as the server does by itself with one on which nothing comes for so long; it opens anew
    answered, submitted, floors = [], [], []
    for number in range(JOBS):
        name = f"api-bench-{number}"
        start = time.perf_counter()
        _create(caller, name)
        answered.append(time.perf_counter() - start)
        _wait(partial(_is_submitted, database, name))
        submitted.append(time.perf_counter() - start)
        floors.append(_round_trip())
        client.delete(f"{JOBS_PATH}/{name}").raise_for_status()
        _wait(partial(_is_gone, database, name))  # what the next one takes is to be its own alone
    queries = _queries(
        partial(_call, "post", f"{JOBS_PATH}?rlorTrainerJobId=api-bench-counted&trainingShape={SHAPE}", client)
    )
    floor = percentile(floors, 0.5)
    print(f"\na job beside a Celery round trip of {floor * 1000:.1f} ms")
    print(f"{'create job':34}{'ms':>8}{'ratio':>8}{'queries':>9}")
    for name, times, count in (
        ("accepted", answered, queries),
        (f"accepted, the first {FIRST_JOBS}", answered[:FIRST_JOBS], None),
        ("submitted to the provider", submitted, None),
    ):
        took = percentile(times, 0.5)
        print(f"{name:34}{took * 1000:8.1f}{took / floor:8.1f}{count or '':>9}")
        note(Figure(f"API, job {name}", took, floor, queries=count))
    for name in (*RUNNING, "api-bench-counted"):
        client.delete(f"{JOBS_PATH}/{name}").raise_for_status()


def _is_ready(client: httpx.Client, name: str) -> bool:
    return client.get(f"/training/v1/rlorTrainerJobs/local/{name}/api/v1/healthz").is_success


def _is_gone(database: psycopg.Connection, name: str) -> bool:
    """Whether workers have nothing left to do for the deleted job: its files are removed once it has ended."""
    query = "SELECT purged_at IS NOT NULL FROM launches_launch WHERE job_id = %s"
    found = database.execute(query, [name]).fetchone()
    return bool(found and found[0])


def _is_submitted(database: psycopg.Connection, name: str) -> bool:
    query = "SELECT state <> 'QUEUED' FROM launches_launch WHERE job_id = %s"
    found = database.execute(query, [name]).fetchone()
    return bool(found and found[0])


def _round_trip() -> float:
    """Seconds from sending a task that does next to nothing until it is done."""
    set_up_django()
    from config.celery import app  # noqa: PLC0415 -- its settings are Django's
    from config.pulses import PULSE, WORKER_KEY  # noqa: PLC0415

    with redis.Redis.from_url(os.environ["REDIS_URL"]) as broker:
        broker.delete(WORKER_KEY)
        start = time.perf_counter()
        app.send_task(PULSE)
        _wait(lambda: bool(broker.exists(WORKER_KEY)))
        return time.perf_counter() - start


def _wait(is_done: Callable[[], bool], *, every: float = 0.0005) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            raise RuntimeError(f"What was waited for did not happen in {LONGEST_SECONDS} s.")
        time.sleep(every)


def _queries(call: Callable[[], None]) -> int:
    """How many queries the call makes in this process."""
    from django.db import connection  # noqa: PLC0415 -- Django is set up by now
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    with CaptureQueriesContext(connection) as asked:
        call()
    return len(asked)


def _call(method: str, path: str, client: httpx.Client) -> None:
    """The same request to the application in this process."""
    from django.test import Client  # noqa: PLC0415 -- Django is set up by now

    given: dict[str, Any] = {"headers": {"X-Api-Key": client.headers["X-Api-Key"]}}
    if method == "post":
        given |= {"data": BODY, "content_type": "application/json"}
    answer = getattr(Client(SERVER_NAME="127.0.0.1"), method)(path, **given)
    if answer.status_code != httpx.codes.OK:
        raise RuntimeError(f"{path} was answered with {answer.status_code}: {answer.content[:300]!r}")
