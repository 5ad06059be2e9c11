"""What the API costs where there is much: lists beside their bare SQL, creating a job beside Celery.

Celery   sending the pulse task until the worker has done it; the worker is the one that submits jobs

The API's caller reads what it has to and no more: httpx takes as long for an answer as some of these SQL, http.client
0.3 ms on the cores where these took 1.1 ms.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from functools import partial

import httpx
import psycopg
import redis

from benchmarks.api_lists import JOBS_PATH, measure_lists
from benchmarks.callers import OpenCaller
from benchmarks.noted import note
from benchmarks.results import Figure
from benchmarks.session import BASE_URL, call_here, make_api_key, percentile, queries_here, set_up_django

JOBS, FIRST_JOBS = 60, 20
"""The first ones after a start take longer, until each process and connection has what it keeps: they stand apart."""
LONGEST_SECONDS = 420
SHAPE = "accounts/local/trainingShapes/tiny-qwen3-2k-lora"
BODY = {"trainingConfig": {"baseModel": "accounts/local/models/tiny-qwen3", "loraRank": 8}}
RUNNING = ("api-bench-first", "api-bench-second")


def main() -> None:
    """Print each figure beside its floor."""
    client = httpx.Client(base_url=BASE_URL, headers={"X-Api-Key": make_api_key("bench api")}, timeout=30)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database:
        caller = OpenCaller(BASE_URL, {"X-Api-Key": client.headers["X-Api-Key"], "Accept-Encoding": "gzip"})
        measure_lists(client, caller, database)
        _compare_jobs(client, caller, database)


def _create(caller: OpenCaller, name: str) -> None:
    caller.ask("POST", f"{JOBS_PATH}?rlorTrainerJobId={name}&trainingShape={SHAPE}", json.dumps(BODY).encode())


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
    path = f"{JOBS_PATH}?rlorTrainerJobId=api-bench-counted&trainingShape={SHAPE}"
    queries = queries_here(partial(call_here, "post", path, client, BODY))
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
