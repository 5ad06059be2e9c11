"""A day on which everything goes wrong, by docs/OPERATIONS.md: its commands, as they stand, on a deployment of two
replicas with a proxy in front, a launch that a loop trains, and somebody who reads and asks all the time.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import psycopg

from proofs.replicas import ROOT, TwoReplicas, git, new_deployment, proxy_of, wait_for
from proofs.visitors import JOBS, SAVES_EVERY, SteadyCaller, TrainingLoop
from tests.proxies import NAME

FOLDER = Path("var/proofs/gameday").absolute()
SHAPE = "accounts/local/trainingShapes/tiny-qwen3-2k-lora"


class Day:
    """What happens, one after the other, and whether it went as it should."""

    def __init__(self, deployment: TwoReplicas, api: httpx.Client, visitor: SteadyCaller, loop: TrainingLoop) -> None:
        self.deployment, self.api, self.visitor, self.loop = deployment, api, visitor, loop
        self.went_well = True

    def happens(self, what: str, act: Callable[[], object], *, unnoticed: bool = False) -> None:
        """Do it, wait until all is well again, and say what visitors got meanwhile; where told, nothing but answers."""
        began, steps = time.monotonic(), self.loop.steps
        act()
        acted = time.monotonic()
        wait_for(self.is_well, f"the system after {what}")
        got = self.visitor.since(began)
        refused = {said: many for said, many in got.items() if said != "200"}
        well = not refused if unnoticed else set(refused) <= {"502", "503", "504"}
        self.went_well &= well
        if not self.loop.over:
            wait_for(lambda: self.loop.steps > steps or bool(self.loop.over), f"a step of the loop after {what}")
        steps = self.loop.steps - steps
        took = f"well again after {time.monotonic() - acted:5.1f} s"
        visitors = f"{got['200']} answers, refused {refused or 'none'}"
        print(f"{what:24} {took}; {visitors}; {steps} steps{'' if well else '  WRONG'}", flush=True)

    def is_well(self) -> bool:
        """Whether the system gets on, and a web process has what it needs, Postgres among it."""
        try:
            return all(self.api.get(path).is_success for path in ("/statusz", "/readyz"))
        except httpx.HTTPError:
            return False

    def kill(self, service: str) -> None:
        """The process of the first container, at once; what keeps it starts it again."""
        container = self.deployment.containers(service)[0]
        first = container.main_process()
        assert first
        for process in first.children():
            process.kill()
        check = self.deployment.compose.services[service].get("healthcheck", {}).get("test", [])
        wait_for(lambda: container.main_process() not in (None, first) and container.healthy(check), f"{service} again")

    def compose(self, *words: str) -> None:
        subprocess.run(
            ["docker", "compose", *words], cwd=self.deployment.project, env=self.deployment.environment, check=True
        )

    def release(self) -> str:
        return str(self.api.get("/version").json()["commit"])


def prove(before: str = "HEAD~1", *, everything: bool = True) -> bool:
    """From the release `before` to this one and back, with a launch that trains and visitors; whether all went well."""
    now, old = (git("rev-parse", name, at=ROOT) for name in ("HEAD", before))
    shutil.rmtree(FOLDER, ignore_errors=True)
    deployment = new_deployment(FOLDER / "first", old)
    try:
        deployment.run("Two replicas, by the compose file")
        with proxy_of(deployment) as url:
            key = deployment.manage(
                "create_api_key", "--account", "local", "--user", "admin", "--scope", "launch"
            ).split()[-1]
            api = httpx.Client(base_url=url, headers={"X-Api-Key": key, "Host": NAME}, timeout=60, verify=False)
            query = {"trainingShape": SHAPE, "rlorTrainerJobId": "trains"}
            api.post(JOBS, params=query, json={}).raise_for_status()
            wait_for(lambda: _state(api) == "RUNNING", "the start of its trainer")
            with SteadyCaller(url, key) as visitor, TrainingLoop(url, key, "trains") as loop:
                day = Day(deployment, api, visitor, loop)
                wait_for(lambda: loop.steps > SAVES_EVERY, "what the loop saved first")
                if everything:
                    _break_everything(day)
                backup = deployment.folder / "backup"
                day.happens("backup", lambda: deployment.run("Back up", BACKUP=str(backup)), unnoticed=True)
                for what, release in (("Rolling upgrade", now), ("Roll back", old)):
                    day.happens(what, partial(deployment.run, what, RELEASE=release), unnoticed=True)
                    day.went_well &= day.release() == release[:12]
                day.went_well &= not loop.over
                if everything:  # what runs ends with its container, so this comes last
                    day.happens("trainer-host killed", partial(day.kill, "trainer-host"))
            print(f"the launch is {_state(api)} after {loop.steps} steps of its loop{loop.over and ': '}{loop.over}")
            print(_memory(deployment))
            wait_for(lambda: _steps(deployment) >= loop.steps, "the record of each step that the loop was told of")
            whole = _whole(deployment.database_url)
        return _restored(deployment, backup, api) and day.went_well and whole
    finally:
        deployment.down()


def _break_everything(day: Day) -> None:
    for service in ("web", "worker", "beat"):
        day.happens(f"{service} killed", partial(day.kill, service))
    for store in ("redis", "postgres"):
        day.happens(f"{store} restarted", partial(day.compose, "restart", store))


def _restored(first: TwoReplicas, backup: Path, api: httpx.Client) -> bool:
    """Bring the backup up in another place: the launch is known there, and goes on."""
    first.down()
    again = new_deployment(FOLDER / "second", git("rev-parse", "HEAD", at=first.project))
    try:
        again.run("Restore", BACKUP=str(backup))
        with proxy_of(again) as url:
            there = httpx.Client(base_url=url, headers=api.headers, timeout=60, verify=False)
            wait_for(
                lambda: _state(there) in ("FAILED", "COMPLETED", "CANCELLED"),
                "the end of what the backup had as running",
            )
            was = _state(there)
            there.post(f"{JOBS}/trains:resume", json={}).raise_for_status()
            wait_for(lambda: _state(there) == "RUNNING", "the start of the resumed trainer")
            with TrainingLoop(url, api.headers["X-Api-Key"], "trains") as loop:
                wait_for(lambda: loop.steps > 0 or bool(loop.over), "a step of the resumed training")
                trained = loop.steps
            wait_for(lambda: _records(again, attempt=2) >= trained, "the record of each step of the resumed training")
            checkpoint = _resumed_from(again.database_url)
            print(
                f"restored elsewhere: it was {was}, goes on from {checkpoint or 'NOTHING'}, and made {loop.steps} steps"
            )
            return _whole(again.database_url) and bool(checkpoint) and loop.steps > 0
    finally:
        again.down()


def _whole(database_url: str) -> bool:
    """Whether no event and no record of the launch is missing; an attempt that trained has some."""
    ask = """SELECT 'events'::text, count(*), max(sequence) FROM launches_event
        UNION ALL SELECT 'records of attempt ' || a.number, count(m.id), coalesce(max(m.number), 0)
        FROM launches_attempt a LEFT JOIN launches_metric m ON m.attempt_id = a.id GROUP BY a.number"""
    with psycopg.connect(database_url) as database:
        rows = database.execute(ask).fetchall()
        connections = database.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = 'slipway'").fetchone()
    print(
        "; ".join(f"{what}: {many} of {last}" for what, many, last in rows), f"; {connections} connections to Postgres"
    )
    return all(is_whole(many, last) for _, many, last in rows)


def is_whole(many: int, last: int) -> bool:
    """Whether there are so many as the last one's number says, and any at all."""
    return 0 < many == last


def _resumed_from(database_url: str) -> str:
    """The checkpoint from which the launch's second attempt goes on."""
    with psycopg.connect(database_url) as database:
        row = database.execute("SELECT resume_from FROM launches_attempt WHERE number = 2").fetchone()
        return str(row[0]) if row else ""


def _steps(deployment: TwoReplicas) -> int:
    """Of the launch, as its records have them."""
    with psycopg.connect(deployment.database_url) as database:
        row = database.execute("SELECT coalesce(max(step), 0) FROM launches_metric").fetchone()
        return int(row[0]) if row else 0


def _records(deployment: TwoReplicas, attempt: int) -> int:
    """Of the launch's attempt of that number."""
    ask = "SELECT count(*) FROM launches_metric JOIN launches_attempt a ON a.id = attempt_id WHERE a.number = %s"
    with psycopg.connect(deployment.database_url) as database:
        row = database.execute(ask, [attempt]).fetchone()
        return int(row[0]) if row else 0


def _memory(deployment: TwoReplicas) -> str:
    """What each container takes, shared memory counted in parts."""
    said = []
    for container in deployment.containers(""):
        if first := container.main_process():
            taken = sum(each.memory_full_info().pss for each in [first, *first.children(recursive=True)])
            said.append(f"{container.id} {taken / 1e6:.0f} MB")
    return ", ".join(said)


def _state(api: httpx.Client) -> str:
    try:
        answer = api.get(f"{JOBS}/trains")
        return str(answer.json()["state"]).removeprefix("JOB_STATE_") if answer.is_success else ""
    except httpx.HTTPError:
        return ""
