"""`./run` as a person meets it: it comes up, survives what is killed, says what is wrong in one line, and stops."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
import redis
from celery import current_app

from embedded.addresses import free_port
from embedded.services import MARK
from tests.waiting import is_up

pytestmark = pytest.mark.xdist_group("run")

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 300
BACK_SECONDS = 120
"""Until what was killed is there again, on a machine that others keep busy."""
STOP_SECONDS = 10
ONE_LINE = re.compile(r"\Aslipway: [^\n]+\n\Z")
PARTS = ["postgres", "broker", "trainer-host", "web", "worker", "beat"]


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Poll until the condition holds; returns its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.1)
    return value


@dataclass
class Slipway:
    """One state folder and what is run on it."""

    home: Path
    code: Path = ROOT
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def environment(self, **extra: str) -> dict[str, str]:
        """The caller's, without the addresses of the servers that the tests run on."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in {"SLIPWAY_ENV_DIR", "SLIPWAY_PYTHON"}
            or not name.startswith(("SLIPWAY_", "DATABASE_URL", "REDIS_URL", "DJANGO_", "PYTEST_"))
        }
        return kept | {"SLIPWAY_HOME": str(self.home), "PORT": str(self.port)} | extra

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> Path:
        return self.home.with_suffix(".out")

    def start(self, **extra: str) -> None:
        """Start it and wait for the address."""
        with self.output.open("wb") as stream:
            self.process = subprocess.Popen(
                [self.code / "run"],
                env=self.environment(**extra),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = self.process
        wait_for(
            lambda: "is ready" in self.output.read_text() or process.poll() is not None, START_SECONDS, "the start"
        )
        assert process.poll() is None, self.output.read_text()

    def once(
        self, *arguments: str, cwd: Path = ROOT, extra: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`./run` with arguments, to its end."""
        env = self.environment(**(extra or {}))
        argv = [str(self.code / "run"), *arguments]
        return subprocess.run(
            argv, env=env, cwd=cwd, capture_output=True, text=True, timeout=START_SECONDS, check=False
        )

    def record(self) -> dict[str, Any]:
        return dict(json.loads((self.home / "run.json").read_text()))

    def pid(self, part: str) -> int:
        return int(self.record()["children"][part]["pid"])

    def ready(self) -> bool:
        try:
            return is_up(lambda path: httpx.get(self.url + path, timeout=30))
        except httpx.HTTPError:
            return False

    def wait_until_ready(self) -> None:
        """Wait until it says so: on a busy machine an answer may be kept waiting for a moment."""
        wait_for(self.ready, BACK_SECONDS, "that it is ready")

    def reachable(self) -> bool:
        try:
            return self.query("SELECT 1") == [(1,)]
        except psycopg.OperationalError:
            return False

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.record()["database_url"], connect_timeout=30) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def processes(self) -> list[psutil.Process]:
        """Every process that belongs to this state, by what it carries, where it works or what it was started with."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                carries = process.environ().get(MARK) == str(self.home)
                works = process.cwd().startswith(f"{self.home}/")
                named = any(str(self.home) in argument for argument in process.cmdline())
                if (carries or works or named) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send the signal as a terminal does, to the whole group; returns the seconds until it had ended."""
        assert self.process
        began = time.monotonic()
        os.killpg(self.process.pid, number)
        self.process.wait(timeout=30)
        return time.monotonic() - began


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slipway]:
    """A Slipway that every test leaves running and ready. Its home has a space in its name, as homes may have."""
    slipway = Slipway(tmp_path_factory.mktemp("state") / "my home")
    try:
        slipway.start()
        yield slipway
    finally:
        if slipway.process and slipway.process.poll() is None:
            slipway.stop()


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[Slipway]:
    """A state folder on which nothing runs; whatever a test starts there is stopped."""
    slipway = Slipway(tmp_path / "state")
    yield slipway
    if slipway.process and slipway.process.poll() is None:
        slipway.stop()


def test_it_says_where_it_is_and_the_made_password_once(running: Slipway) -> None:
    output = running.output.read_text()
    assert f"Slipway is ready: {running.url}/\n" in output
    assert len(re.findall(r"admin with the password \S{8,}", output)) == 1
    running.wait_until_ready()
    assert httpx.get(f"{running.url}/healthz", timeout=60).status_code == httpx.codes.OK
    assert "Qwen" in httpx.get(f"{running.url}/", timeout=60).text


def test_secrets_are_for_the_owner_alone_and_on_no_command_line(running: Slipway) -> None:
    record = running.record()
    passwords = [httpx.URL(record[name]).password for name in ("database_url", "redis_url")]
    assert all(passwords)
    assert (running.home / "run.json").stat().st_mode & 0o077 == 0
    assert (running.home / "postgres").stat().st_mode & 0o077 == 0
    lines = [" ".join(process.cmdline()) for process in running.processes()]
    assert lines
    assert not [line for line in lines for password in passwords if password in line]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each is started by itself")
def test_web_worker_and_beat_are_forks_of_one_that_loaded_the_application(running: Slipway) -> None:
    supervisor = psutil.Process(running.record()["pid"])
    for part in ("trainer-host", "web", "worker", "beat"):
        assert psutil.Process(running.pid(part)).cmdline() == supervisor.cmdline(), part


def test_a_second_run_is_refused_with_the_address_of_the_first(running: Slipway) -> None:
    second = running.once(extra={"PORT": str(free_port())})
    assert second.returncode == 1
    assert ONE_LINE.match(second.stderr)
    assert f"already running at {running.url}/" in second.stderr
    running.wait_until_ready()


def test_manage_passes_on_output_and_exit_code(running: Slipway, tmp_path: Path) -> None:
    script = "from catalog.models import TrainingShape as S; print(S.objects.count() >= 55); raise SystemExit(7)"
    done = running.once("manage", "shell", "--verbosity", "0", "-c", script, cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("True\n", 7), done.stderr
    unknown = running.once("manage", "no_such_command")
    assert (unknown.stdout, unknown.returncode) == ("", 1)


def test_a_worker_keeps_its_connection_from_task_to_task(running: Slipway) -> None:
    sessions, tasks = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()", 200
    [(before,)] = running.query(sessions)
    with (
        current_app.connection_for_write(running.record()["redis_url"]) as broker,
        redis.Redis.from_url(running.record()["redis_url"]) as queue,
    ):
        for _ in range(tasks):
            current_app.send_task("launches.sweep", connection=broker)
        wait_for(lambda: not queue.llen("slipway:pulse"), BACK_SECONDS, "that all are taken")
    [(after,)] = running.query(sessions)
    assert after - before < tasks / 2


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_part_comes_back_and_nothing_is_lost(running: Slipway, part: str) -> None:
    running.query(f'CREATE TABLE "kept {part}" AS SELECT 1 AS row')
    killed = running.pid(part)
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: running.pid(part) != killed, BACK_SECONDS, f"the restart of {part}")
    wait_for(running.ready, BACK_SECONDS, f"readiness after {part} was killed")
    wait_for(running.reachable, BACK_SECONDS, "a database that has recovered: readiness is remembered for a moment")
    assert running.query(f'SELECT row FROM "kept {part}"') == [(1,)]
    assert f"{part} stopped (killed by SIGKILL); starting it again" in running.output.read_text()


def test_killed_altogether_it_comes_up_with_every_row_and_stops_without_a_trace(idle: Slipway) -> None:
    idle.start(SLIPWAY_ADMIN_USER="ada", SLIPWAY_ADMIN_PASSWORD="correct horse battery")
    assert "correct horse battery" not in idle.output.read_text()
    assert len(held := [process.environ() for process in idle.processes()]) > len(PARTS)
    assert not [environment for environment in held if "correct horse battery" in environment.values()]
    idle.query("CREATE TABLE kept AS SELECT 42 AS row")
    pids = [idle.record()["pid"], *(idle.pid(part) for part in PARTS)]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert idle.process
    idle.process.wait()

    idle.start()
    assert idle.query("SELECT row FROM kept") == [(42,)]
    # What a trainer is to the supervisor: a process of the worker's that leads a session of its own.
    straggler = subprocess.Popen(["sleep", "600"], env=os.environ | {MARK: str(idle.home)}, start_new_session=True)
    assert idle.stop(signal.SIGINT) < STOP_SECONDS
    assert straggler.wait(timeout=30) == -signal.SIGKILL
    assert idle.processes() == []
    assert idle.process.returncode == 0
    assert not (idle.home / "run.json").exists()


def test_when_only_the_supervisor_is_killed_its_children_go(idle: Slipway) -> None:
    idle.start()
    os.kill(idle.record()["pid"], signal.SIGKILL)
    wait_for(lambda: not idle.processes(), BACK_SECONDS, "the end of every child")


def test_stopped_while_starting_it_leaves_nothing(idle: Slipway) -> None:
    with idle.output.open("wb") as stream:
        idle.process = subprocess.Popen(
            [ROOT / "run"], env=idle.environment(), stdout=stream, stderr=stream, start_new_session=True
        )
    wait_for(lambda: "Migrating" in idle.output.read_text(), START_SECONDS, "the migration")
    assert idle.stop() < STOP_SECONDS
    assert idle.processes() == []
    assert "Traceback" not in idle.output.read_text()


def test_what_dies_while_it_starts_is_started_again(idle: Slipway) -> None:
    with idle.output.open("wb") as stream:
        process = idle.process = subprocess.Popen(
            [ROOT / "run"], env=idle.environment(), stdout=stream, stderr=stream, start_new_session=True
        )
    output = idle.output.read_text
    wait_for(lambda: "Migrating" in output(), START_SECONDS, "the migration")
    os.kill(idle.pid("postgres"), signal.SIGKILL)
    wait_for(
        lambda: "Starting trainer-host" in output() and idle.record()["children"].get("web"),
        START_SECONDS,
        "the start of web",
    )
    os.kill(idle.pid("web"), signal.SIGKILL)
    wait_for(lambda: "is ready" in output() or process.poll() is not None, START_SECONDS, "the start")
    assert process.poll() is None, output()
    assert "postgres stopped (killed by SIGKILL); starting it again" in output()
    assert "web stopped (killed by SIGKILL); starting it again" in output()
    assert len(re.findall(r"admin with the password \S{8,}", output())) == 1


def test_manage_starts_the_servers_where_nothing_runs_and_stops_them(idle: Slipway) -> None:
    done = idle.once("manage", "migrate", "--verbosity", "0")
    assert (done.stdout, done.returncode) == ("", 0), done.stderr
    script = "from django.db import connection as c; print(len(c.introspection.table_names()) > 10)"
    assert idle.once("manage", "shell", "--verbosity", "0", "-c", script).stdout == "True\n"
    assert idle.processes() == []


def test_a_port_in_use_is_one_clear_line(idle: Slipway) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = idle.once(extra={"PORT": port})
    assert done.returncode == 1
    assert ONE_LINE.match(done.stderr)
    assert f"Port {port} is in use" in done.stderr
    assert idle.processes() == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "eighty", "PORT=eighty is not a port"),
        ("PORT", "70000", "from 1 to 65535"),
        ("DATABASE_URL", "not-an-address", "it looks like postgresql://"),
        ("DATABASE_URL", "mysql://u:secret-word@127.0.0.1/x", "it looks like postgresql://"),
        ("DATABASE_URL", "postgresql://u:secret-word@127.0.0.1:1/x", "refused"),
        ("DATABASE_URL", "postgresql://u:secret-word@127.0.0.1:port/x", "is not an address"),
        ("REDIS_URL", "http://127.0.0.1", "it looks like redis://"),
        ("REDIS_URL", "redis://:secret-word@127.0.0.1:1/0", "refused"),
        ("SLIPWAY_HOME", "/proc/nowhere", "Cannot write to /proc/nowhere"),
        ("SLIPWAY_HOME", "/dev/null/below", "Cannot write to /dev/null/below"),
        ("SLIPWAY_LOCAL_SLOTS", "many", "SLIPWAY_LOCAL_SLOTS"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(idle: Slipway, name: str, value: str, expected: str) -> None:
    done = idle.once(extra={name: value})
    assert done.returncode == 1
    assert ONE_LINE.match(done.stderr), done.stderr
    assert expected in done.stderr
    assert "secret-word" not in done.stdout + done.stderr
    assert idle.processes() == []


def test_a_wrong_database_password_is_one_clear_line(idle: Slipway) -> None:
    wrong = str(httpx.URL(os.environ["DATABASE_URL"]).copy_with(password="wrong"))
    done = idle.once(extra={"DATABASE_URL": wrong})
    if done.returncode == 0 or "password" not in done.stderr:
        pytest.skip("the Postgres of these tests asks for no password")
    assert ONE_LINE.match(done.stderr)
    assert "password authentication failed" in done.stderr


def test_a_full_disk_is_one_clear_line(idle: Slipway) -> None:
    idle.home.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "slipway-test", str(idle.home)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount a small disk")
    try:
        done = idle.once()
    finally:
        subprocess.run(["umount", "-l", str(idle.home)], check=True)
    assert done.returncode == 1
    assert ONE_LINE.match(done.stderr), done.stderr
    assert "MB free" in done.stderr


def test_an_unknown_command_is_refused_with_the_list(idle: Slipway) -> None:
    done = idle.once("lunch")
    assert done.returncode == 1
    assert "there is no command 'lunch'" in done.stderr
    assert "./run manage" in done.stderr
