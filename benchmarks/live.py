"""How long after the fact a launch page knows it: a real trainer, 3,000 open streams, one page that refetches.

All streams are of the launch's account, so each change is told to all of them, and what they cost the web processes is
measured beside. The fact is what the trainer wrote and when, its record's time; the page knows it when the refetched
metrics hold it. The floor is the same broker publishing and delivering a bare message.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

import httpx
import psycopg
import redis.asyncio as redis

from benchmarks.noted import note
from benchmarks.results import Figure
from benchmarks.session import BASE_URL, footprint, hidden_fields, percentile, sign_in, web_processes

WATCHERS = 3_000
EVENTS = "/events?account=local"
SHAPE = "/shapes/local/tiny-qwen3-2k-lora/launch"
LONGEST_SECONDS = 420
GAP_SECONDS = 0.05
"""The least rest of the page between two fetches, as `launch-stream.js` has it."""
GOAL_SECONDS, GOAL_BYTES = 0.3, 150_000_000


def main() -> None:
    """Launch, watch, and print median and 95th percentile beside the floor."""
    client = sign_in()
    with _watchers(client.cookies["sessionid"]):
        path = _launch(client)
        seen = asyncio.run(_watch(path, dict(client.cookies)))
    lags = sorted(seen[number] - fact for number, fact in _facts(path).items() if number in seen)
    floor = asyncio.run(_floor())
    median, tail = percentile(lags, 0.5), percentile(lags, 0.95)
    print(f"{len(lags)} records, {WATCHERS:,} open streams: median {median:.2f} s, 95th percentile {tail:.2f} s")
    print(f"goal {GOAL_SECONDS} s: {'met' if tail <= GOAL_SECONDS else 'MISSED'}")
    note(Figure("a trainer's record on its page", median, floor))
    note(Figure("a trainer's record on its page, 95 %", tail))
    print(f"floor (publish and deliver one message): {floor * 1000:.1f} ms; ratio {median / floor:.0f}")


def _launch(client: httpx.Client) -> str:
    """The address of a new launch's page."""
    fields = hidden_fields(client.get(SHAPE).raise_for_status().text, "launch-form")
    answer = client.post(SHAPE, data=fields | {"display_name": "bench"})
    if answer.status_code != 303:
        raise RuntimeError(f"The launch was answered with {answer.status_code}.")
    return answer.headers["location"]


@contextmanager
def _watchers(session: str) -> Iterator[None]:
    """Open streams for the duration of the block; prints and notes what they cost."""
    address = urlsplit(BASE_URL)
    processes = web_processes()
    before, _ = footprint(processes)
    command = [sys.executable, "-m", "benchmarks.watchers", str(address.hostname), str(address.port), EVENTS]
    start = time.perf_counter()
    with subprocess.Popen(
        [*command, str(WATCHERS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdin is not None
        assert watching.stdout is not None
        watching.stdin.write(f"sessionid={session}\n")
        watching.stdin.flush()
        if not watching.stdout.readline():
            raise RuntimeError(f"{WATCHERS:,} streams could not be opened.")
        seconds = time.perf_counter() - start
        yield
        cost = footprint(processes)[0] - before
        watching.stdin.close()
        still = watching.stdout.readline().strip()
    if watching.returncode or still != str(WATCHERS):
        raise RuntimeError(f"Of {WATCHERS:,} streams {still or 'none'} stayed open (exit {watching.returncode}).")
    print(f"{WATCHERS:,} streams, open after {seconds:.1f} s: {cost / 1e6:.0f} MB more of all web processes", end="   ")
    print(f"goal {GOAL_BYTES / 1e6:.0f} MB: {'met' if cost < GOAL_BYTES else 'MISSED'}")
    note(Figure(f"{WATCHERS:,} open event streams", cost / 1e6, unit="MB"))


async def _watch(path: str, cookies: dict[str, str]) -> dict[int, float]:
    """When each record was first seen by the page, until the launch is over."""
    seen: dict[int, float] = {}
    async with httpx.AsyncClient(base_url=BASE_URL, cookies=cookies, timeout=None) as client:
        wakes = asyncio.Event(), asyncio.Event()
        beside = (
            asyncio.create_task(_stream(client, path.rsplit("/", 1)[1], wakes)),
            asyncio.create_task(_refetch(wakes[1], partial(_records, client, path, seen))),
        )
        try:
            await asyncio.wait_for(_refetch(wakes[0], partial(_is_over, client, path)), LONGEST_SECONDS)
            await _records(client, path, seen)
        finally:
            for task in beside:
                task.cancel()
            for ended in await asyncio.gather(*beside, return_exceptions=True):
                if isinstance(ended, Exception):  # which being cancelled is not
                    raise ended
    return seen


async def _stream(client: httpx.AsyncClient, launch: str, wakes: Iterable[asyncio.Event]) -> None:
    """As the script of a launch's page asks for it."""
    async with client.stream("GET", f"{EVENTS}&launch={launch}") as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if line.startswith("event:"):
                for wake in wakes:
                    wake.set()


async def _refetch(wake: asyncio.Event, fetch: Callable[[], Awaitable[bool]]) -> None:
    """As that script paces what it refetches, each by itself, until `fetch` says that it was the last time."""
    while True:
        await wake.wait()
        wake.clear()
        began = time.monotonic()
        if await fetch():
            return
        await asyncio.sleep(max(GAP_SECONDS, time.monotonic() - began))


async def _is_over(client: httpx.AsyncClient, path: str) -> bool:
    panel = (await client.get(f"{path}/panel")).text
    return any(f'data-state="{state}"' in panel for state in ("COMPLETED", "FAILED", "CANCELLED", "LOST"))


async def _records(client: httpx.AsyncClient, path: str, seen: dict[int, float]) -> bool:
    answer = (await client.get(f"{path}/metrics", params={"after": f"1.{max(seen, default=0)}"})).json()
    now = time.time()
    for record in answer["records"]:
        seen.setdefault(record["number"], now)
    return False


def _facts(path: str) -> dict[int, float]:
    """When the trainer wrote each record, by its own clock, which is this machine's."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        rows = database.execute(
            "SELECT m.number, m.recorded_at FROM launches_metric m JOIN launches_attempt a ON a.id = m.attempt_id "
            "JOIN launches_launch l ON l.id = a.launch_id WHERE l.uid = %s",
            [path.rsplit("/", 1)[1]],
        ).fetchall()
    return {number: recorded.astimezone(UTC).timestamp() for number, recorded in rows if isinstance(recorded, datetime)}


async def _floor() -> float:
    """Median seconds from publishing a message to holding it, over the same broker."""
    async with redis.Redis.from_url(os.environ["REDIS_URL"]) as broker, broker.pubsub() as listener:
        await listener.subscribe("bench")
        times = []
        async for message in listener.listen():
            if message["type"] == "message":
                times.append(time.perf_counter() - float(json.loads(message["data"])))
            if len(times) == 200:
                break
            await broker.publish("bench", json.dumps(time.perf_counter()))
    return percentile(times, 0.5)
