"""Whatever is killed or restarted below launches in flight: none is lost, none is started twice, each ends truly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
import redis

from config.pulses import WORKER_KEY
from embedded.addresses import free_port
from embedded.broker import Broker, find_server
from embedded.processes import kill_group, spawn
from tests.e2e.conftest import ROOT, SlipwayServer, running_slipway
from tests.standing_in import StandIns
from tests.waiting import is_up

JOBS = "/v1/accounts/local/rlorTrainerJobs"
SHAPE = "accounts/local/trainingShapes/tiny-qwen3-2k-lora"
SLOTS = 8
READY_SECONDS = 120
START_SECONDS = 300  # of processes, on a machine that others keep busy, too
END_SECONDS = 300
RESTARTS = 10
KILLS = 2
OUTCOMES = {"COMPLETED", "FAILED", "CANCELLED"}

TIMELINES_WITH_GAPS = """
SELECT l.job_id, l.last_event, count(e.sequence) FROM launches_launch l LEFT JOIN launches_event e ON e.launch_id = l.id
GROUP BY l.id HAVING (count(e.sequence), min(e.sequence), max(e.sequence)) <> (l.last_event, 1, l.last_event)
    OR count(*) FILTER (WHERE e.kind = 'state') > count(DISTINCT e.data->>'state') FILTER (WHERE e.kind = 'state')
"""
# What Slipway says of a launch, the code (negative: the signal) that its trainer ended with, and how many it had.
COMPLETED = ("COMPLETED", 0, 1)
FAILED = ("FAILED", 3, 1)
KILLED = ("FAILED", -signal.SIGKILL, 1)
CANCELLED = ("CANCELLED", 143, 1)


class FragileBroker:
    """The embedded broker, which the test starts and stops; the folder is its own."""

    def __init__(self, folder: Path) -> None:
        program = find_server()
        assert program
        self._dump = folder / "dump.rdb"
        self._broker = Broker(folder / "old", program=program, port=free_port(), log=folder / "log", account=None)
        self.start()

    @property
    def url(self) -> str:
        return self._broker.url

    def start(self) -> None:
        """Start it with what it kept, if it kept anything."""
        self._process = self._broker.start()
        self._dump.unlink(missing_ok=True)

    def stop(self, number: int, *, kept: bool = False) -> None:
        """End it by the signal; what it held is lost, unless it is kept for the next start."""
        if kept:
            with redis.Redis.from_url(self.url) as client:
                client.save()
            assert self._dump.exists()
        self._process.send_signal(number)
        self._process.wait(60)


@dataclass
class Installation:
    """A Slipway with two workers, whose broker and trainers do what the test wants."""

    server: SlipwayServer
    trainers: StandIns
    broker: FragileBroker
    other: subprocess.Popen[bytes]
    api: httpx.Client

    def workers(self) -> list[int]:
        """The pids of both workers, which lead their pools."""
        return [self.part("worker"), self.other.pid]

    def part(self, name: str) -> int:
        """The pid of what `./run` supervises under the name."""
        running = json.loads((self.server.home / "run.json").read_text())
        return int(running["children"][name]["pid"])

    def launch(self, *jobs: str) -> None:
        """Launch trainers under these ids."""
        for job in jobs:
            answer = self.api.post(JOBS, params={"trainingShape": SHAPE, "rlorTrainerJobId": job}, json={})
            assert answer.status_code == httpx.codes.OK, answer.text

    def cancel(self, job: str) -> None:
        """As a user does."""
        answer = self.api.post(f"{JOBS}/{job}:cancel")
        assert answer.status_code == httpx.codes.OK, answer.text

    def states(self) -> dict[str, str]:
        """What Slipway says of all its launches, by id."""
        jobs = self.api.get(JOBS).json()["rlorTrainerJobs"]
        return {job["name"].rpartition("/")[2]: job["state"].removeprefix("JOB_STATE_") for job in jobs}

    def are_running(self, *jobs: str) -> bool:
        """Whether Slipway says so of each."""
        states = self.states()
        return all(states[job] == "RUNNING" for job in jobs)

    def gaps(self) -> list[tuple[str, int, int]]:
        """Of each launch whose timeline misses a number, or has a state twice: id, newest number, numbers there."""
        with psycopg.connect(self.server.environment["DATABASE_URL"]) as database:
            return database.execute(TIMELINES_WITH_GAPS).fetchall()

    def exit_code(self, job: str) -> int:
        """What the wrapper of the job's only attempt wrote down; a signal is negative. Fails where it did neither."""
        (attempt,) = (self.server.home / "local" / "jobs" / "local" / job / "attempts").iterdir()
        told = json.loads((attempt / "exit.json").read_text())
        ended = told["code"] if told["signal"] is None else -told["signal"]
        assert ended is not None, f"{job} ended with neither code nor signal: {told}"
        return int(ended)

    def seconds_until_work(self, workers: int, limit: float) -> float:
        """Wait until that many workers ask for tasks, one has taken some since now, and Slipway says it is ready."""
        moment, began = time.time(), time.monotonic()
        until(lambda: self.works(moment, workers), limit, "work after a restart")
        return time.monotonic() - began

    def works(self, since: float, workers: int) -> bool:
        """Whether that is so now; `since` in seconds of the epoch."""
        with suppress(httpx.HTTPError, redis.RedisError), redis.Redis.from_url(self.broker.url) as client:
            asking = sum(one["cmd"] == "brpop" for one in client.client_list())
            taken = float(client.get(WORKER_KEY) or 0)
            return asking == workers and taken > since and is_up(self.api.get)
        return False


def until(look: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true value; fails after the deadline."""
    deadline = time.monotonic() + seconds
    while not (value := look()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.2)
    return value


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Installation]:
    for name in ("home", "broker"):
        (tmp_path / name).mkdir()
    trainers = StandIns(tmp_path / "stand-ins")
    trainers.prepare()
    settings = {"SLIPWAY_TRAINER_ENV": str(trainers.environment), "SLIPWAY_LOCAL_SLOTS": str(SLOTS)}
    with ExitStack() as stack:
        broker = FragileBroker(tmp_path / "broker")
        stack.callback(broker.stop, signal.SIGKILL)
        server = stack.enter_context(running_slipway(tmp_path / "home", broker.url, **settings))
        other = stack.enter_context(second_worker(server, tmp_path / "worker.log"))
        key = server.manage("create_api_key", *("--account", "local", "--user", server.username, "--scope", "launch"))
        headers = {"X-Api-Key": key.split()[-1]}
        api = stack.enter_context(httpx.Client(base_url=server.url, headers=headers, timeout=60))
        world = Installation(server, trainers, broker, other, api)
        until(lambda: world.works(0, 2), START_SECONDS, "two workers")
        yield world


@contextmanager
def second_worker(server: SlipwayServer, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker beside the one that is supervised."""
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "--loglevel", "INFO", "--concurrency", "2"]
    process = spawn(
        [*command, "--hostname", "other@%h", "--without-gossip", "--without-mingle"],
        env=server.environment | {"DJANGO_SETTINGS_MODULE": "config.settings"},
        cwd=ROOT,
        log=log,
    )
    try:
        yield process
    finally:
        kill_group(process.pid)
        process.wait()


def end_truly(world: Installation, expected: dict[str, tuple[str, int, int]]) -> None:
    """All launches of this world end as expected."""
    until(lambda: set(world.states().values()) <= OUTCOMES, END_SECONDS, "the end of all")
    states = world.states()
    assert {
        job: (state, world.exit_code(job), len(world.trainers.pids(job))) for job, state in states.items()
    } == expected
    assert world.gaps() == []
    print({job: state for job, (state, _, _) in expected.items()})  # noqa: T201  (shown by pytest -rP)


def test_ten_restarts_of_the_broker_end_no_worker(world: Installation) -> None:
    early = ("completed", "failed", "killed", "cancelled")
    world.launch(*early)
    until(lambda: world.are_running(*early), START_SECONDS, "the start of all")
    workers = world.workers()
    waits = []
    for number in range(RESTARTS):
        world.broker.stop(signal.SIGKILL if number % 2 else signal.SIGTERM, kept=number % 3 == 0)
        if number == 3:
            world.cancel("cancelled")
            world.launch("launched-without-a-broker")
        if number == 6:
            os.kill(until(partial(world.trainers.pids, "killed"), START_SECONDS, "its start")[0], signal.SIGKILL)
        if number == 8:
            world.trainers.end("failed", 3)
        world.broker.start()
        waits.append(world.seconds_until_work(2, READY_SECONDS))
        assert world.workers() == workers
        assert all(map(psutil.pid_exists, workers))
        assert world.other.poll() is None
    print("work after", [f"{wait:.1f} s" for wait in waits])  # noqa: T201  (shown by pytest -rP)
    for job in ("completed", "launched-without-a-broker"):
        world.trainers.end(job, 0)
    finished = {"completed": COMPLETED, "launched-without-a-broker": COMPLETED}
    end_truly(world, finished | {"failed": FAILED, "killed": KILLED, "cancelled": CANCELLED})
    assert "SIGKILL" in world.api.get(f"{JOBS}/killed").json()["status"]["message"]
    assert world.workers() == workers


def test_whatever_is_killed_below_launches_loses_none(world: Installation) -> None:
    expected: dict[str, tuple[str, int, int]] = {}
    waits = []
    for number in range(KILLS):
        jobs = [f"{name}-{number}" for name in ("completed", "failed", "cancelled")]
        world.launch(*jobs)
        os.kill(world.part("worker"), signal.SIGKILL)  # while it tells the provider of them
        world.broker.stop(signal.SIGKILL)
        os.kill(world.part("beat"), signal.SIGKILL)
        if number == 1:
            kill_group(world.other.pid)
        world.broker.start()
        waits.append(world.seconds_until_work(2 if number == 0 else 1, START_SECONDS))
        world.trainers.end(jobs[0], 0)
        world.trainers.end(jobs[1], 3)
        until(partial(world.trainers.pids, jobs[2]), START_SECONDS, "the start of the one to cancel")
        world.cancel(jobs[2])
        expected |= dict(zip(jobs, (COMPLETED, FAILED, CANCELLED), strict=True))
    print("work after", [f"{wait:.1f} s" for wait in waits])  # noqa: T201  (shown by pytest -rP)
    end_truly(world, expected)
