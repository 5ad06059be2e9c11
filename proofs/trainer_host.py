"""trainer-host owns what runs, whoever asks: 30 launches and 30 cancels through workers that see no other process.

Besides the worker of a Slipway of its own, two more take its tasks, each in a pid and a mount namespace with a home of
its own, as in containers that share one volume. Trainers stand in for real ones, so that what is timed is Slipway's.
Meanwhile a worker's namespace is ended and another begins, and web, worker, beat and trainer-host are killed once each.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, LiteralString

import httpx
import psutil

from benchmarks.chaos import Victim, second_slipway

ROOT = Path(__file__).resolve().parent.parent
ALONE = ("unshare", "--pid", "--mount", "--fork", "--mount-proc", "--kill-child")
LAUNCHES, AT_ONCE = 30, 6
CANCEL_SECONDS, LONGEST_SECONDS = 5.0, 300.0
STEADY = "steady"
PARTS = ("web", "worker", "beat", "trainer-host")
JOBS = "/v1/accounts/local/rlorTrainerJobs"
SHAPE = "accounts/local/trainingShapes/tiny-qwen3-2k-lora"
REASONS: LiteralString = """
SELECT a.state, a.reason, count(*) FROM launches_attempt a JOIN launches_launch l ON l.id = a.launch_id
WHERE l.job_id LIKE %s GROUP BY 1, 2 ORDER BY 1, 2
"""


def prove() -> bool:
    """Print what became of all; whether all were as they should be."""
    with second_slipway() as (slipway, trainers), ExitStack() as workers:
        api = httpx.Client(base_url=slipway.url, headers={"X-Api-Key": slipway.key}, timeout=60)
        for name in ("one", "other"):
            workers.enter_context(worker_alone(slipway, name))
        _launch(api, STEADY)
        _wait(lambda: _state(api, STEADY) == "RUNNING", "the launch that goes on")
        taken: list[float] = []
        for begun in range(0, LAUNCHES, AT_ONCE):
            jobs = [f"cancelled-{number}" for number in range(begun, begun + AT_ONCE)]
            for job in jobs:
                _launch(api, job)
            for job in jobs:
                _wait(lambda job=job: _state(api, job) == "RUNNING", job)  # type: ignore[misc]
            taken += [_cancel(api, job) for job in jobs]
            _disturb(slipway, begun // AT_ONCE, workers)
        (steady,) = trainers.pids(STEADY)
        goes_on = psutil.pid_exists(steady) and _state(api, STEADY) == "RUNNING"
        trainers.end(STEADY, 0)
        _wait(lambda: _state(api, STEADY) == "COMPLETED", "the end of the launch that went on")
        ended = {(state, reason): count for state, reason, count in slipway.ask(REASONS, "cancelled-%")}
        once = all(len(trainers.pids(f"cancelled-{number}")) == 1 for number in range(LAUNCHES))
    outcomes = ", ".join(f"{count} {state} {reason}" for (state, reason), count in ended.items())
    print(f"{LAUNCHES} launches, cancelled: {outcomes}")
    print(f"a cancel: {statistics.median(taken):.2f} s in the middle, {max(taken):.2f} s at most")
    print(f"one trainer each: {_word(once)}; the one beside them went on through all: {_word(goes_on)}")
    return ended == {("CANCELLED", "USER"): LAUNCHES} and max(taken) < CANCEL_SECONDS and once and goes_on


@contextmanager
def worker_alone(slipway: Victim, name: str) -> Iterator[None]:
    """Another worker of the Slipway, which sees no process of anybody else's; it has ended with all it started."""
    running = slipway.home.read_running()
    assert running
    home = slipway.home.path.parent / f"home-of-{name}"
    home.mkdir(exist_ok=True)
    environment = os.environ | {
        "DATABASE_URL": running.database_url,
        "REDIS_URL": running.redis_url,
        "SLIPWAY_HOME": str(slipway.home.path),
        "SLIPWAY_EMBEDDED": "1",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "HOME": str(home),
        "TMPDIR": str(home),
    }
    celery = (sys.executable, "-m", "celery", "-A", "config", "worker", "--loglevel", "INFO", "--pool", "prefork")
    options = ("--concurrency", "2", "--hostname", f"{name}@%h", "--without-gossip", "--without-mingle")
    log = home / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*ALONE, *celery, *options], cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait(lambda: " ready." in log.read_text(), f"worker {name}: {log}")
        yield
    finally:
        for first in psutil.Process(process.pid).children():
            first.kill()
        process.wait()


def _disturb(slipway: Victim, number: int, workers: ExitStack) -> None:
    """Kill a part, and the first time also what the workers' namespaces hold, which others then replace."""
    if number == 0:
        workers.close()
        for name in ("third", "fourth"):
            workers.enter_context(worker_alone(slipway, name))
    if number < len(PARTS):
        killed = slipway.child(PARTS[number])
        os.kill(killed, signal.SIGKILL)
        _wait(lambda: slipway.child(PARTS[number]) != killed and _is_up(slipway), f"{PARTS[number]} again")


def _is_up(slipway: Victim) -> bool:
    try:
        return httpx.get(f"{slipway.url}/readyz", timeout=10).is_success
    except httpx.HTTPError:
        return False


def _launch(api: httpx.Client, job: str) -> None:
    api.post(JOBS, params={"trainingShape": SHAPE, "rlorTrainerJobId": job}, json={}).raise_for_status()


def _cancel(api: httpx.Client, job: str) -> float:
    began = time.monotonic()
    api.post(f"{JOBS}/{job}:cancel").raise_for_status()
    _wait(lambda: _state(api, job) in ("CANCELLED", "FAILED"), f"the end of {job}")
    return time.monotonic() - began


def _state(api: httpx.Client, job: str) -> str:
    told: dict[str, Any] = api.get(f"{JOBS}/{job}").raise_for_status().json()
    return str(told["state"]).removeprefix("JOB_STATE_")


def _wait(look: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not look():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {LONGEST_SECONDS:.0f} s: {what}")
        time.sleep(0.05)


def _word(good: bool) -> str:
    return "yes" if good else "NO"
