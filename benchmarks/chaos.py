"""What dies below launches loses none: 1,000 to a stand-in control plane, and 50 through two Slipways.

Every 2 s a process of the worker's pool is killed, and the whole worker once it is 40 s old; the broker is wiped twice
and Postgres restarted once meanwhile. Every launch has to be accepted and submitted once, and no timeline may have a
gap. Afterwards the 1,000 that run are observed for a minute, in peace.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import httpx
import psutil
import psycopg

from benchmarks.bare_control_plane import ACCOUNT, COUNTS
from benchmarks.session import BASE_URL, make_api_key, set_up_django
from embedded.home import Home, temporary_home
from embedded.temporary import slipway

MANY, FEW = 1000, 50
KILL_SECONDS, YOUNG_SECONDS, LIFE_SECONDS = 2.0, 1.5, 40.0
CLIENTS = 4
LONGEST_SECONDS = 420
PEACE_SECONDS = 60
JOBS_PATH = "/v1/accounts/local/rlorTrainerJobs"
SHAPE = "accounts/local/trainingShapes/tiny-qwen3-2k-lora"
BODY = {"trainingConfig": {"baseModel": "accounts/local/models/tiny-qwen3", "loraRank": 8}}

SUBMITTED: LiteralString = """
SELECT count(*) FROM launches_attempt a JOIN launches_launch l ON l.id = a.launch_id
WHERE l.job_id LIKE %s AND a.submitted_at IS NOT NULL
"""
STATES: LiteralString = "SELECT state, count(*) FROM launches_launch WHERE job_id LIKE %s GROUP BY state ORDER BY state"
ATTEMPTS: LiteralString = """
SELECT count(*), count(DISTINCT l.id) FROM launches_attempt a
JOIN launches_launch l ON l.id = a.launch_id WHERE l.job_id LIKE %s
"""
GAPS: LiteralString = """
SELECT count(*) FROM launches_launch l WHERE job_id LIKE %s AND (l.last_event, 1, l.last_event) <> (
    SELECT count(*), min(sequence), max(sequence) FROM launches_event e WHERE e.launch_id = l.id)
"""
REPEATED: LiteralString = """
SELECT count(*) FROM (SELECT 1 FROM launches_event e JOIN launches_launch l ON l.id = e.launch_id
WHERE l.job_id LIKE %s AND e.kind = 'state' GROUP BY e.launch_id, e.data->>'state' HAVING count(*) > 1) repeated
"""
LONGEST_UNSEEN: LiteralString = """
SELECT extract(epoch FROM now() - min(a.observed_at)) FROM launches_attempt a
JOIN launches_launch l ON l.id = a.launch_id WHERE l.job_id LIKE %s
"""


def main() -> None:
    """Both parts. Errors: `AssertionError` where one launch is lost, doubled, or has a gap."""
    alone()
    pair()


def alone() -> None:
    """1,000 to a stand-in. Errors: as `main`."""
    with bare_control_plane() as port:
        connect("bare", f"http://127.0.0.1:{port}", "key", account=ACCOUNT)
        _many(measured("bench chaos"), f"http://127.0.0.1:{port}")


def pair() -> None:
    """50 through two Slipways. Errors: as `main`."""
    near = measured("bench chaos of a pair")
    with second_slipway() as (far, trainers):
        connect("second", far.url, far.key, account="local")
        _few(near, far, trainers)


@dataclass
class Victim:
    """One that is to suffer: where its processes are written down, where it answers, and its database."""

    home: Home
    url: str
    key: str
    database_url: str

    def child(self, name: str) -> int:
        """The pid of what it supervises under the name. Errors: `KeyError`, `AssertionError` while it is not known."""
        running = self.home.read_running()
        assert running is not None
        return running.children[name].pid

    def ask(self, query: LiteralString, like: str) -> list[tuple[Any, ...]]:
        """Rows; asked again while Postgres restarts."""
        while True:
            try:
                with psycopg.connect(self.database_url, connect_timeout=5) as database:
                    return database.execute(query, [like]).fetchall()
            except psycopg.OperationalError:
                time.sleep(0.5)

    def submitted(self, like: str) -> int:
        """How many of its attempts a provider has confirmed."""
        return int(self.ask(SUBMITTED, like)[0][0])

    def launch(self, job: str, connection: str) -> int:
        """Insist until it is accepted; how often it had to be asked. A 409 says that it had been, and was not told."""
        for attempt in range(1, 1000):
            with suppress(httpx.HTTPError):
                query = {"rlorTrainerJobId": job, "trainingShape": SHAPE, "connection": connection}
                headers = {"X-Api-Key": self.key}
                answer = httpx.post(f"{self.url}{JOBS_PATH}", params=query, json=BODY, headers=headers, timeout=30)
                if answer.is_success or (answer.status_code == httpx.codes.CONFLICT and attempt > 1):
                    return attempt
                assert answer.status_code >= 500 or answer.status_code == 429, answer.text
            time.sleep(0.3)
        raise AssertionError(f"{job} was never accepted")


def measured(key: str) -> Victim:
    """The one that this program was started for."""
    home = Home(Path(os.environ["SLIPWAY_HOME"]))
    set_up_django()
    from django.db import connections  # noqa: PLC0415 -- after Django is set up

    connections.close_all()  # of the part before, Postgres was restarted under them
    return Victim(home, BASE_URL, make_api_key(key), os.environ["DATABASE_URL"])


@dataclass
class Chaos:
    """Kills until it is told to stop, and counts."""

    victims: tuple[Victim, ...]
    share: Callable[[], float]
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("pool", "worker", "broker", "postgres"), 0))

    @contextmanager
    def reigning(self) -> Iterator[None]:
        """Beside the block."""
        over = threading.Event()
        thread = threading.Thread(target=self._reign, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _reign(self, over: threading.Event) -> None:
        due = [(0.25, "broker", signal.SIGKILL), (0.5, "postgres", signal.SIGINT), (0.75, "broker", signal.SIGKILL)]
        while not over.wait(KILL_SECONDS) or due:
            for victim in self.victims:
                self._kill_worker(victim)
            if due and self.share() >= due[0][0]:
                _, name, signal_number = due.pop(0)
                for victim in self.victims:
                    os.kill(victim.child(name), signal_number)
                self.counts[name] += 1

    def _kill_worker(self, victim: Victim) -> None:
        """What runs long enough to have work: killed while it starts, it would only start again, for ever."""
        now = time.time()
        with suppress(psutil.NoSuchProcess, AssertionError, KeyError):
            worker = psutil.Process(victim.child("worker"))
            pool = [process for process in worker.children() if now - process.create_time() > YOUNG_SECONDS]
            if now - worker.create_time() > LIFE_SECONDS:
                worker.kill()
                self.counts["worker"] += 1
            elif pool:
                min(pool, key=psutil.Process.create_time).kill()
                self.counts["pool"] += 1


def _many(near: Victim, there: str) -> None:
    began = time.perf_counter()
    chaos = Chaos((near,), lambda: near.submitted("many-%") / MANY)
    with chaos.reigning():
        asked = launch_all(near, [f"many-{number}" for number in range(MANY)], "bare")
        accepted = time.perf_counter() - began
        _wait(lambda: near.submitted("many-%") == MANY, "all are submitted")
    took = time.perf_counter() - began
    _wait(lambda: near.ask(STATES, "many-%") == [("RUNNING", MANY)], "all run")
    counts = httpx.get(f"{there}{COUNTS}").json()
    assert counts["made"] == counts["jobs"] == MANY, counts
    _check(near, "many-%", MANY)
    print(f"\n{MANY:,} launches, each accepted, submitted and made there once; no timeline has a gap")
    print(f"accepted after {accepted:.0f} s (asked {asked:,} times), submitted after {took:.0f} s")
    print(f"killed: {words(chaos.counts)}; made there at the second try: {counts.get('made twice', 0)}")
    _observe(near, there)


def _observe(near: Victim, there: str) -> None:
    """What a minute of looking at all of them costs, once the worker is there again."""
    _wait(lambda: near.ask(LONGEST_UNSEEN, "many-%")[0][0] < 30, "all were looked at after the chaos")
    before = httpx.get(f"{there}{COUNTS}").json()
    worst = 0.0
    until = time.monotonic() + PEACE_SECONDS
    while time.monotonic() < until:
        worst = max(worst, float(near.ask(LONGEST_UNSEEN, "many-%")[0][0]))
        time.sleep(1)
    after = httpx.get(f"{there}{COUNTS}").json()
    spent = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    print(f"observing {MANY:,} that run, in {PEACE_SECONDS} s: {words(spent)}; none unseen for more than {worst:.0f} s")


def _few(near: Victim, far: Victim, trainers: Any) -> None:
    from connections.providers.control_plane.names import remote_id  # noqa: PLC0415 -- after Django is set up
    from connections.queries import instance_id  # noqa: PLC0415

    jobs = [f"few-{number}" for number in range(FEW)]
    there = {job: remote_id(instance_id(), "local", job) for job in jobs}
    for name in there.values():
        trainers.end(name, 0)  # as soon as it has begun
    began = time.perf_counter()
    chaos = Chaos((near, far), lambda: near.submitted("few-%") / FEW)
    with chaos.reigning():
        launch_all(near, jobs, "second")
        _wait(lambda: near.submitted("few-%") == FEW, "all are submitted")
    took = time.perf_counter() - began
    _wait(lambda: near.ask(STATES, "few-%") == [("COMPLETED", FEW)], "all are completed")
    ended = time.perf_counter() - began
    _check(near, "few-%", FEW)
    _check(far, "s%", FEW)
    assert all(len(trainers.pids(name)) == 1 for name in there.values()), "one trainer each"
    print(f"\n{FEW} through two Slipways: each submitted once, one trainer each, all completed; no timeline has a gap")
    print(f"submitted after {took:.0f} s, completed after {ended:.0f} s; killed on both: {words(chaos.counts)}")


def _check(slipway: Victim, like: str, number: int) -> None:
    assert (found := slipway.ask(ATTEMPTS, like)) == [(number, number)], found
    assert slipway.ask(GAPS, like) == [(0,)], "a timeline has a gap"
    assert slipway.ask(REPEATED, like) == [(0,)], "a state came twice"


def launch_all(near: Victim, jobs: list[str], connection: str) -> int:
    """A few at a time; how often was asked."""
    left, asked = list(reversed(jobs)), [0] * CLIENTS

    def client(number: int) -> None:
        with suppress(IndexError):
            while True:
                asked[number] += near.launch(left.pop(), connection)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(asked)


def connect(name: str, url: str, secret: str, *, account: str) -> None:
    """A connection that every account may use."""
    set_up_django()
    from django.core.management import call_command  # noqa: PLC0415

    with tempfile.NamedTemporaryFile("w") as file:
        file.write(secret)
        file.flush()
        settings = [f"url={url}", f"account={account}", "accounts=local=local", "following=off"]
        said = [argument for setting in settings for argument in ("--set", setting)]
        call_command("connect", name, "--kind", "control_plane", *said, "--secret-file", file.name, "--for-everyone")


@contextmanager
def bare_control_plane() -> Iterator[int]:
    """Its port, while it runs."""
    command = [sys.executable, "-m", "benchmarks.bare_control_plane"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.stdin.close()


@contextmanager
def second_slipway() -> Iterator[tuple[Victim, Any]]:
    """Another one, with its own servers, whose trainers do as they are told."""
    from tests.standing_in import StandIns  # noqa: PLC0415 -- needs what only tests have

    kept = dict(os.environ)
    with temporary_home() as home:
        trainers = StandIns(home.path.parent / "stand-ins")
        trainers.prepare()
        for name in ("DATABASE_URL", "REDIS_URL"):
            del os.environ[name]
        os.environ |= {"SLIPWAY_TRAINER_ENV": str(trainers.environment), "SLIPWAY_LOCAL_SLOTS": "8"}
        os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parent.parent)  # the first one's have none
        try:
            with slipway(home) as env:
                os.environ |= kept
                key = _new_key(env)
                yield Victim(home, env["SLIPWAY_BASE_URL"], key, env["DATABASE_URL"]), trainers
        finally:
            os.environ.clear()
            os.environ |= kept


def _new_key(env: dict[str, str]) -> str:
    command = [
        sys.executable,
        "manage.py",
        "create_api_key",
        "--account",
        "local",
        "--user",
        "admin",
        "--scope",
        "launch",
    ]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]


def _wait(look: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not look():
        assert time.monotonic() < deadline, f"not within {LONGEST_SECONDS} s: {what}"
        time.sleep(0.5)


def words(counts: dict[str, int]) -> str:
    """Counts in a line."""
    return ", ".join(f"{name} {number:,}" for name, number in counts.items())
