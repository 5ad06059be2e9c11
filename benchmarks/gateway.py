"""What the trainer gateway costs: calls of three sizes beside the same to the bare trainer, and 1,000 open long polls.

bare trainer   answers at once, so that all of the gateway's time shows
real trainer   the demo model's own trainer, which reads the body as JSON before it answers; it is for a model that it
               does not know, so that nothing is computed, which would cool what the next call finds warm
more           the median of what the gateway's call took more than the bare one of the same round, who begins by turns
pause          calls of 1 KB once the gateway has forgotten whom it let through, as the first one of a training step
queries        what letting a request through asks the database, the first time and within the next two seconds
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx
import psutil
import psycopg

from benchmarks.noted import note
from benchmarks.results import Figure
from benchmarks.session import (
    BASE_URL,
    footprint,
    hidden_fields,
    make_api_key,
    paired,
    seconds_of,
    set_up_django,
    sign_in,
    web_processes,
)

SHAPE = "/shapes/local/tiny-qwen3-2k-lora/launch"
READY_SECONDS = 420
BODIES = {"1 KB": (1_000, 400), "1 MB": (1_000_000, 200), "16 MB": (16_000_000, 40)}
"""Bytes, and how often."""
REAL_BODIES = {1: 100, 16: 24}
"""MB to the real trainer, and how often: it takes 0.4 s for 16, give or take as much as the gateway may add."""
PAUSES, PAUSE_SECONDS = 5, 2.1
POLLS = 1_000
OPEN_SECONDS = 60
GOAL_SECONDS, GOAL_SHARE = 0.001, 0.03
GOAL_BYTES = 100_000_000
STAND_IN = """
INSERT INTO launches_launch (uid, account_id, job_id, owner_id, shape_version_id, display_name, spec, inputs,
    connection_id, idempotency_key, state, attempt_count, last_event, created_at, search_text)
SELECT gen_random_uuid(), account_id, 'bench-bare', owner_id, shape_version_id, '', spec, inputs,
    connection_id, 'bench-bare', 'RUNNING', 1, 1, now(), search_text FROM launches_launch WHERE job_id = %(job)s;
INSERT INTO launches_attempt (launch_id, number, state, reason, detail, ready, endpoint, resume_from, failures,
    progress_read, log_tail, log_offset, metrics_read, metrics_offset, created_at, next_check_at)
SELECT id, 1, 'RUNNING', '', '', true, %(endpoint)s, '', 0, 0, '', 0, 0, 0, now(), now() + interval '1 day'
FROM launches_launch WHERE job_id = 'bench-bare';
"""
RUNNING = """
SELECT l.job_id, t.endpoint, l.uid::text FROM launches_launch l JOIN launches_attempt t ON t.launch_id = l.id
WHERE l.uid = %s AND t.ready
"""


class PacedConnection:
    """Calls to one trainer, through the gateway or not, on one connection that stays open."""

    def __init__(self, base: str, key: str) -> None:
        parts = urlsplit(base)
        assert parts.hostname
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        self._prefix = f"{parts.path}/api/v1/"
        self._fields = {"X-Api-Key": key, "Content-Type": "application/json"}

    def send(self, operation: str, body: bytes) -> dict[str, Any]:
        """The answer, decoded. Errors: `RuntimeError` where it is no 200."""
        self._connection.request("POST", self._prefix + operation, body, self._fields)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{operation} was answered with {answer.status}: {text[:300]!r}")
        found: dict[str, Any] = json.loads(text)
        return found


def main() -> None:
    """Print each figure beside its floor and its goal."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database, _bare_trainer() as bare:
        job, endpoint, uid = _launch(database)
        with psycopg.ClientCursor(database) as cursor:
            cursor.execute(STAND_IN, {"job": job, "endpoint": bare})
        key, token = make_api_key("bench gateway"), _token(uid)
        through = f"{BASE_URL}/training/v1/rlorTrainerJobs/local/"
        print(f"{'call':24}{'bare ms':>10}{'gateway ms':>12}{'more ms':>10}{'ratio':>8}")
        direct, gateway = PacedConnection(bare, token), PacedConnection(f"{through}bench-bare", key)
        for size, (length, rounds) in BODIES.items():
            body = json.dumps({"model_id": "m", "padding": "x" * length}).encode()
            bare_call, call = partial(_submit, direct, body), partial(_submit, gateway, body)
            report(f"{size} to bare trainer", paired(bare_call, call, rounds))
            if size == "1 KB":
                report(f"{size} after a pause", paired(partial(_pausing, bare_call), partial(_pausing, call), PAUSES))
        _compare_real(PacedConnection(endpoint, token), PacedConnection(through + job, key))
        cold, remembered = asyncio.run(_admission_queries(key, "bench-bare"))
        print(f"queries of an admission: {cold}; of one that is remembered: {remembered}")
        asyncio.run(_poll(urlsplit(f"{through}bench-bare"), urlsplit(bare).port or 0, key))
        jobs = f"{BASE_URL}/v1/accounts/local/rlorTrainerJobs"
        httpx.delete(f"{jobs}/{job}", headers={"X-Api-Key": key}).raise_for_status()


@contextmanager
def _bare_trainer() -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.bare_trainer"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()


def _launch(database: psycopg.Connection) -> tuple[str, str, str]:
    """Job, endpoint and uid of a launch whose real trainer answers."""
    client = sign_in()
    fields = hidden_fields(client.get(SHAPE).raise_for_status().text, "launch-form")
    answer = client.post(SHAPE, data=fields | {"recipe": "none", "display_name": "bench"})
    if answer.status_code != 303:
        raise RuntimeError(f"The launch was answered with {answer.status_code}.")
    uid = answer.headers["location"].rsplit("/", 1)[1]
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if row := database.execute(RUNNING, [uid]).fetchone():
            return row[0], row[1], row[2]
        time.sleep(0.3)
    raise RuntimeError(f"The trainer was not ready in {READY_SECONDS} s.")


def _token(uid: str) -> str:
    """The token of the launch's trainer."""
    set_up_django()
    from launches.models import Launch  # noqa: PLC0415 -- models can be imported only once Django is set up
    from launches.tokens import trainer_token  # noqa: PLC0415

    return trainer_token(Launch.objects.get(uid=uid))


def _submit(caller: PacedConnection, body: bytes) -> float:
    """Seconds until the submission is answered."""
    return seconds_of(partial(caller.send, "forward_backward", body))


def report(title: str, rounds: Sequence[tuple[float, float]]) -> None:
    """A line of what was taken without the gateway and with it, and of what it adds, beside the goal."""
    bare, through = (statistics.median(times) for times in zip(*rounds, strict=True))
    more = statistics.median(took - least for least, took in rounds)
    note(Figure(f"gateway, {title}", bare + more, bare))
    note(Figure(f"gateway, {title}, more", more))
    ratio, goal = (bare + more) / bare, max(GOAL_SECONDS, GOAL_SHARE * bare)
    print(f"{title:24}{bare * 1000:10.2f}{through * 1000:12.2f}{more * 1000:10.2f}{ratio:8.2f}", end="   ")
    print(f"goal {goal * 1000:.1f} ms more: {'met' if more <= goal else 'MISSED'}")


def _compare_real(direct: PacedConnection, gateway: PacedConnection) -> None:
    for megabytes, rounds in REAL_BODIES.items():
        body = _data("unknown", megabytes)
        pairs = paired(partial(_submit, direct, body), partial(_submit, gateway, body), rounds)
        report(f"{megabytes} MB to real trainer", pairs)


def _pausing(submit: Callable[[], float]) -> float:
    time.sleep(PAUSE_SECONDS)
    return submit()


async def _admission_queries(key: str, job: str) -> list[int]:
    """Queries of an admission that was not asked for lately, and of the same one right after it."""
    set_up_django()
    from django.db.backends.signals import connection_created  # noqa: PLC0415 -- once Django is set up

    from accounts.domain.create_api_key import hash_secret  # noqa: PLC0415
    from launches.gateway.admission import Admission, AdmissionRequest  # noqa: PLC0415

    asked: list[str] = []

    def note(execute: Any, sql: str, *given: Any) -> Any:
        asked.append(sql)
        return execute(sql, *given)

    def watch(connection: Any, **_: Any) -> None:
        connection.execute_wrappers.append(note)

    connection_created.connect(watch)
    desk, counts = Admission(), []
    for _ in range(2):
        before = len(asked)
        await desk.admit(AdmissionRequest(hash_secret(key), "local", job), key)
        counts.append(len(asked) - before)
    connection_created.disconnect(watch)
    return counts


def _data(model: str, megabytes: int) -> bytes:
    """A body of the usual form; few tokens with many digits each, so that the trainer is soon done with it."""
    length = 512
    tensor = {"dtype": "float32", "shape": [length]}
    inputs = {
        "target_tokens": {"data": list(range(length)), "dtype": "int64", "shape": [length]},
        "weights": tensor | {"data": [1 / 3] * length},
    }
    datum = {"model_input": {"chunks": [{"type": "encoded_text", "tokens": list(range(length))}]}}
    given = {"data": [datum | {"loss_fn_inputs": inputs}] * 65 * megabytes, "loss_fn": "cross_entropy"}
    return json.dumps({"model_id": model, "seq_id": 1, "forward_backward_input": given}).encode()


async def _poll(address: SplitResult, trainer_port: int, key: str) -> None:
    """Open the polls, look at the web processes before and while they are open."""
    processes = web_processes()
    before = footprint(processes)
    line = f"POST {address.path}/api/v1/retrieve_future HTTP/1.1\r\nHost: bench\r\nX-Api-Key: {key}\r\n"
    request = f'{line}Content-Length: 19\r\n\r\n{{"request_id": "1"}}'.encode()
    started = time.perf_counter()
    writers: list[asyncio.StreamWriter] = []
    for _ in range(POLLS):
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(request)
        writers.append(writer)
    while _open_polls(processes, trainer_port) < POLLS:
        if time.perf_counter() - started > OPEN_SECONDS:
            raise RuntimeError(f"{POLLS:,} long polls were not open in {OPEN_SECONDS} s.")
        await asyncio.sleep(0.1)
    seconds = time.perf_counter() - started
    while_open = footprint(processes)
    for writer in writers:
        writer.close()
    note(Figure(f"gateway, {POLLS:,} long polls open", (while_open[0] - before[0]) / 1e6, unit="MB"))
    cost, threads = while_open[0] - before[0], while_open[1] - before[1]
    print(f"{POLLS:,} long polls, open after {seconds:.1f} s: {cost / 1e6:.0f} MB, {threads} threads more", end="   ")
    print(
        f"goal {GOAL_BYTES / 1e6:.0f} MB, no thread each: {'met' if cost < GOAL_BYTES and threads < 50 else 'MISSED'}"
    )


def _open_polls(processes: list[psutil.Process], trainer_port: int) -> int:
    """Connections of the processes to the trainer: one for each poll. Those kept from before are the first to serve."""
    open_ones = [c for p in processes for c in p.net_connections("tcp") if c.status == psutil.CONN_ESTABLISHED]
    return sum(bool(c.raddr) and c.raddr.port == trainer_port for c in open_ones)
