"""The broker restarts below launches in flight: none is lost, none is started twice, each ends truly."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from embedded.addresses import free_port
from embedded.broker import Broker, find_server
from tests.e2e.conftest import ROOT, SlipwayServer, running_slipway
from tests.sdk.environments import ensure_environment

READY_SECONDS = 30
END_SECONDS = 240
RESTARTS = 10
OUTCOMES = {"COMPLETED", "FAILED", "CANCELLED"}
LAUNCH = """
from accounts.actors import user_actor
from accounts.models import Account, User
from catalog.models import ShapeVersion
from launches.domain.create_launch import create_launch
user, account = User.objects.get(username="admin"), Account.objects.get(account_id="local")
version = ShapeVersion.objects.get(shape__shape_id="tiny-qwen3-2k-lora", is_latest_validated=True)
for number in range({number}):
    launch = create_launch(
        actor=user_actor(user), account=account, version=version,
        inputs={{"recipe": "{recipe}"}}, idempotency_key=f"{key}-{{number}}",
    )
    print(launch.job_id)
"""


@dataclass
class World:
    """A Slipway with two workers, and a broker that the test starts and stops."""

    server: SlipwayServer
    broker: Broker
    process: subprocess.Popen[bytes]
    other: subprocess.Popen[bytes]
    key: str

    def workers(self) -> list[int]:
        """The pids of both workers, which lead their pools."""
        return [self.part("worker"), self.other.pid]

    def part(self, name: str) -> int:
        """The pid of what `./run` supervises under the name."""
        running = json.loads((self.server.home / "run.json").read_text())
        return int(running["children"][name]["pid"])

    def launch(self, recipe: str, key: str, number: int = 1) -> list[str]:
        """The ids of new jobs."""
        said = self.server.manage("shell", "--no-imports", "-c", LAUNCH.format(recipe=recipe, key=key, number=number))
        return said.split()[-number:]

    def call(self, method: str, path: str) -> Any:
        """What the API answers."""
        url = f"{self.server.url}/v1/accounts/local/rlorTrainerJobs/{path}"
        answer = httpx.request(method, url, headers={"X-Api-Key": self.key}, timeout=30)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    def state(self, job: str) -> str:
        """What Slipway says of the job."""
        return str(self.call("GET", job)["state"]).removeprefix("JOB_STATE_")

    def file(self, job: str, name: str) -> Path:
        """A file of the job's only attempt."""
        (attempt,) = (self.server.home / "local" / "jobs" / "local" / job / "attempts").iterdir()
        return attempt / name

    def is_ready(self) -> bool:
        """Whether everything that a launch needs is there."""
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.server.url}/readyz", timeout=10).status_code == httpx.codes.OK
        return False

    def restart_broker(self, *, emptied: bool, down_seconds: float = 0.3, kill: bool = False) -> None:
        """Stop the broker, or kill it, and start it again after a while."""
        self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        self.process.wait(10)
        if emptied:
            shutil.rmtree(self.server.home / "own-broker")
            self.broker.prepare()
        time.sleep(down_seconds)
        self.process = self.broker.start()


def until(look: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true value; fails after the deadline."""
    deadline = time.monotonic() + seconds
    while not (value := look()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.2)
    return value


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    ensure_environment("trainer")
    program = find_server()
    assert program
    home = tmp_path / "home"
    home.mkdir()
    broker = Broker(home / "own-broker", program=program, port=free_port(), log=tmp_path / "broker.log", account=None)
    broker.prepare()
    process = broker.start()
    with ExitStack() as stack:
        server = stack.enter_context(running_slipway(home, broker.url))
        other = stack.enter_context(second_worker(server, tmp_path / "worker.log"))
        key = server.manage(
            *("create_api_key", "--account", "local", "--user", server.username, "--scope", "launch", "--name", "chaos")
        )
        world = World(server, broker, process, other, key)
        stack.callback(lambda: world.broker.stop(world.process, time.monotonic() + 5))
        yield world


@contextmanager
def second_worker(server: SlipwayServer, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker beside the one that is supervised."""
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "--loglevel", "INFO", "--concurrency", "2"]
    with log.open("w") as stream:
        process = subprocess.Popen(
            [*command, "--hostname", "other@%h", "--without-gossip", "--without-mingle"],
            cwd=ROOT,
            env=server.environment | {"DJANGO_SETTINGS_MODULE": "config.settings"},
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.kill()  # its pool notices
        process.wait()


def end_truly(world: World, expected: dict[str, str]) -> None:
    """Every launch ends as expected, by what its wrapper wrote down; none was started twice."""
    until(lambda: {world.state(job) for job in expected} <= OUTCOMES, END_SECONDS, "the end of all")
    assert {job: world.state(job) for job in expected} == expected
    for job, state in expected.items():
        told = json.loads(world.file(job, "exit.json").read_text())
        assert (told["code"] == 0) is (state == "COMPLETED"), told
        lines = world.file(job, "progress.jsonl")
        progress = lines.read_text() if lines.exists() else ""  # of one that was cancelled while it waited
        starts = progress.count("Starting the trainer")
        assert starts == 1 or (starts == 0 and state == "CANCELLED")


def test_ten_restarts_of_the_broker_end_no_worker(world: World) -> None:
    completed = world.launch("sample-sft", "first", 2)
    cancelled, killed = world.launch("none", "idle", 2)
    workers = world.workers()
    waits = []
    for number in range(RESTARTS):
        world.restart_broker(emptied=number % 3 == 2, kill=number % 2 == 1, down_seconds=0.2 + number % 4)
        began = time.monotonic()
        if number == 3:
            world.call("POST", f"{cancelled}:cancel")
        until(world.is_ready, READY_SECONDS, f"ready after restart {number + 1}")
        waits.append(time.monotonic() - began)
        assert world.workers() == workers
        assert all(map(psutil.pid_exists, workers))
        assert world.other.poll() is None
    print("ready after", [f"{wait:.1f} s" for wait in waits])  # noqa: T201  (shown by pytest -rP)
    until(lambda: world.file(killed, "trainer.json").exists(), END_SECONDS, "the start of the last one")
    os.kill(json.loads(world.file(killed, "trainer.json").read_text())["pid"], signal.SIGKILL)
    end_truly(world, {**dict.fromkeys(completed, "COMPLETED"), cancelled: "CANCELLED", killed: "FAILED"})
    assert world.workers() == workers
