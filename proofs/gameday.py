"""A day on which everything goes wrong, by docs/OPERATIONS.md: its commands, as they stand, on a deployment of two
replicas with a proxy in front, a launch that trains, and somebody who reads and asks all the time.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import psutil
import psycopg

from embedded.addresses import free_port
from embedded.broker import find_server
from embedded.postgres import find_binaries
from embedded.proxies import find_proxy
from proofs import containers
from proofs.containers import Container, Project
from tests.certificates import make_certificate
from tests.sdk.environments import ensure_environment

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "OPERATIONS.md"
NAME = "slipway.example"
FOLDER = Path("var/proofs/gameday").absolute()
SHAPE = "accounts/local/trainingShapes/tiny-qwen3-2k-lora"
JOBS = "/v1/accounts/local/rlorTrainerJobs"
PATIENCE = 300
PROGRAMS = {
    "docker": 'exec {python} -P -m proofs.containers "$@"',
    "openssl": 'exec {python} -c "import secrets; print(secrets.token_hex(int($3)))"',
    "valkey-server": 'exec {valkey} "$@" --port {redis} --bind 127.0.0.1 --dir /tmp',
    "valkey-cli": "{python} -c 'import os, redis; "
    'print(redis.Redis(port={redis}, password=os.environ["REDISCLI_AUTH"]).execute_command("PING") and "PONG")\'',
    "start-postgres": "cd {postgres_bin}\n"
    'test -e "$1/data" || {{ echo "$POSTGRES_PASSWORD" > "$1/password"; ./initdb --auth=scram-sha-256'
    ' --pwfile="$1/password" -U "$POSTGRES_USER" -D "$1/new" && mv "$1/new" "$1/data"; fresh=1; }}\n'
    'test -z "$fresh" || echo "CREATE DATABASE $POSTGRES_DB" | ./postgres --single -D "$1/data" postgres\n'
    'exec ./postgres -D "$1/data" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c port={postgres}',
}
"""What stands in for programs of the containers and of the machine."""


def commands(heading: str) -> str:
    """The commands below that heading of the document."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^```\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
    assert found, heading
    return "".join(found)


class TwoReplicas:
    """A checkout with what runs of it, and the shell of whoever operates it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.project = folder, folder / "project"
        self.ports = {"postgres": free_port(), "redis": free_port()}
        self.web_port = next(at for at in range(18000, 19000, 8) if all(map(_is_free, range(at, at + 8))))
        for name in ("bin", "images", "containers", "volumes"):
            (folder / name).mkdir(parents=True)
        (folder / "stores").write_text(json.dumps(self.ports))
        trainer = ensure_environment("trainer").parent.parent
        (folder / "volumes" / "state").mkdir()
        subprocess.run(["cp", "-al", str(trainer), str(folder / "volumes/state/trainer-env")], check=True)
        binaries = find_binaries()
        words = {**self.ports, "python": sys.executable, "valkey": find_server(), "postgres_bin": binaries}
        for name, text in PROGRAMS.items():
            (folder / "bin" / name).write_text("#!/bin/sh\n" + text.format(**words) + "\n")
            (folder / "bin" / name).chmod(0o755)
        subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(self.project)], check=True)
        path = f"{folder / 'bin'}:{Path(sys.executable).parent}:{binaries}:/usr/sbin:/usr/bin:/sbin:/bin"
        self.environment = {
            "PATH": path,
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "SLIPWAY_CONTAINERS": str(folder),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.ports["postgres"]),
        }

    def run(self, heading: str, **variables: str) -> None:
        """Run the document's commands, each of which has to succeed; the port of web is of a range that is free."""
        text = commands(heading).replace("\nEND\n", f"\nPORT={self.web_port}-{self.web_port + 7}\nEND\n", 1)
        began = time.monotonic()
        done = subprocess.run(
            ["sh", "-eux"], input=text, cwd=self.project, env=self.environment | variables, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{heading}: exit code {done.returncode}")
        print(f"  {heading}: done in {time.monotonic() - began:.0f} s", flush=True)

    @property
    def compose(self) -> Project:
        return Project(self.project)

    def containers(self, service: str) -> list[Container]:
        return self.compose.containers(service)

    def setting(self, name: str) -> str:
        return self.compose.variables[name]

    def manage(self, *arguments: str) -> str:
        """What a management command says, run as the document writes it."""
        argv = ["docker", "compose", "exec", "-T", "web", "./run", "manage", *arguments]
        done = subprocess.run(argv, cwd=self.project, env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    @property
    def database_url(self) -> str:
        return f"postgresql://slipway:{self.setting('POSTGRES_PASSWORD')}@127.0.0.1:{self.ports['postgres']}/slipway"

    def down(self) -> None:
        subprocess.run(["docker", "compose", "down"], cwd=self.project, env=self.environment, check=False)


class SteadyCaller:
    """Somebody who asks through the proxy all the time: what was answered, and when an answer was none."""

    def __init__(self, url: str, key: str) -> None:
        self._client = httpx.Client(base_url=url, headers={"X-Api-Key": key, "Host": NAME}, timeout=30, verify=False)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.answers: list[tuple[float, str]] = []

    def _ask(self) -> None:
        for path in itertools.cycle(["/healthz", JOBS, "/sign-in", f"{JOBS}/trains"]):
            if self._over.is_set():
                return
            try:
                said = str(self._client.get(path).status_code)
            except httpx.HTTPError as error:
                said = type(error).__name__
            self.answers.append((time.monotonic(), said))

    def __enter__(self) -> SteadyCaller:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def since(self, began: float) -> Counter[str]:
        """How often each status, or error, was the answer from then on."""
        return Counter(said for at, said in self.answers if at >= began)


class Day:
    """What happens, one after the other, and whether it went as it should."""

    def __init__(self, deployment: TwoReplicas, api: httpx.Client, visitor: SteadyCaller) -> None:
        self.deployment, self.api, self.visitor = deployment, api, visitor
        self.went_well = True

    def happens(self, what: str, act: Callable[[], object], *, unnoticed: bool = False) -> None:
        """Do it, wait until all is well again, and say what visitors got meanwhile; where told, nothing but answers."""
        began = time.monotonic()
        act()
        acted = time.monotonic()
        wait_for(self.is_well, f"the system after {what}")
        got = self.visitor.since(began)
        refused = {said: many for said, many in got.items() if said != "200"}
        well = not refused if unnoticed else set(refused) <= {"502", "503", "504"}
        self.went_well &= well
        took = f"well again after {time.monotonic() - acted:5.1f} s"
        print(
            f"{what:24} {took}; {got['200']} answers, refused {refused or 'none'}{'' if well else '  WRONG'}",
            flush=True,
        )

    def is_well(self) -> bool:
        try:
            return self.api.get("/statusz").is_success
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
    now, old = (_commit(name) for name in ("HEAD", before))
    shutil.rmtree(FOLDER, ignore_errors=True)
    deployment = _deployment(FOLDER / "first")
    try:
        subprocess.run(["git", "checkout", "--quiet", old], cwd=deployment.project, check=True)
        deployment.run("Two replicas, by the compose file")
        with _proxy(deployment) as url:
            key = deployment.manage(
                "create_api_key", "--account", "local", "--user", "admin", "--scope", "launch"
            ).split()[-1]
            api = httpx.Client(base_url=url, headers={"X-Api-Key": key, "Host": NAME}, timeout=60, verify=False)
            query = {"trainingShape": SHAPE, "rlorTrainerJobId": "trains"}
            api.post(JOBS, params=query, json={}).raise_for_status()
            wait_for(lambda: _state(api) == "RUNNING", "the start of its trainer")
            with SteadyCaller(url, key) as visitor:
                day = Day(deployment, api, visitor)
                if everything:
                    _break_everything(day)
                backup = deployment.folder / "backup"
                day.happens("backup", lambda: deployment.run("Back up", BACKUP=str(backup)), unnoticed=True)
                for what, release in (("Rolling upgrade", now), ("Roll back", old)):
                    day.happens(what, partial(deployment.run, what, RELEASE=release), unnoticed=True)
                    day.went_well &= day.release() == release[:12]
                print(f"the launch is {_state(api)}; {_memory(deployment)}")
                whole = _whole(deployment.database_url)
        return _restored(deployment, backup, api) and day.went_well and whole
    finally:
        deployment.down()


def _break_everything(day: Day) -> None:
    for service in ("web", "worker", "beat", "trainer-host"):
        if service in day.deployment.compose.services:
            day.happens(f"{service} killed", partial(day.kill, service))
    for store in ("redis", "postgres"):
        day.happens(f"{store} restarted", partial(day.compose, "restart", store))


def _restored(first: TwoReplicas, backup: Path, api: httpx.Client) -> bool:
    """Bring the backup up in another place: the launch is known there, and goes on."""
    first.down()
    again = _deployment(FOLDER / "second")
    try:
        subprocess.run(["git", "checkout", "--quiet", _head(first)], cwd=again.project, check=True)
        again.run("Restore", BACKUP=str(backup))
        with _proxy(again) as url:
            there = httpx.Client(base_url=url, headers={**api.headers, "Host": NAME}, timeout=60, verify=False)
            wait_for(
                lambda: _state(there) in ("FAILED", "COMPLETED", "CANCELLED"),
                "the end of what the backup had as running",
            )
            was = _state(there)
            there.post(f"{JOBS}/trains:resume", json={}).raise_for_status()
            wait_for(lambda: _state(there) == "RUNNING", "the start of the resumed trainer")
            print(f"restored elsewhere: the launch was {was}, resumed it is {_state(there)}")
            return _whole(again.database_url)
    finally:
        again.down()


def _whole(database_url: str) -> bool:
    """Whether no event and no record of the launch is missing."""
    ask = """SELECT 'events'::text, count(*), max(sequence) FROM launches_event
        UNION ALL SELECT 'records of attempt ' || a.number, count(m.id), coalesce(max(m.number), 0)
        FROM launches_attempt a LEFT JOIN launches_metric m ON m.attempt_id = a.id GROUP BY a.number"""
    with psycopg.connect(database_url) as database:
        rows = database.execute(ask).fetchall()
        connections = database.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = 'slipway'").fetchone()
    print(
        "; ".join(f"{what}: {many} of {last}" for what, many, last in rows), f"; {connections} connections to Postgres"
    )
    return all(many == last for _, many, last in rows)


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


def wait_for(done: Callable[[], bool], what: str) -> None:
    """Errors: `SystemExit` where that has not come within five minutes."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(0.3)


def _deployment(folder: Path) -> TwoReplicas:
    folder.mkdir(parents=True)
    containers.PLACE = folder
    return TwoReplicas(folder)


def _commit(name: str) -> str:
    return _git("rev-parse", name, at=ROOT)


def _head(deployment: TwoReplicas) -> str:
    return _git("rev-parse", "HEAD", at=deployment.project)


def _git(*words: str, at: Path) -> str:
    return subprocess.run(["git", "-C", str(at), *words], check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def _proxy(deployment: TwoReplicas) -> Iterator[str]:
    """nginx as deploy/proxy has it, on a free port, in front of all eight ports that web may have."""
    folder, port = deployment.folder, free_port()
    certificate = make_certificate(NAME, folder)
    text = (ROOT / "deploy/proxy/nginx.conf").read_text()
    servers = "\n".join(f"    server 127.0.0.1:{deployment.web_port + n};" for n in range(8))
    text = text.replace("    server 127.0.0.1:8000;", servers)
    text = text.replace("listen 80;", f"listen 127.0.0.1:{free_port()};").replace("443 ssl", f"127.0.0.1:{port} ssl")
    for word in ("fullchain.pem", "privkey.pem"):
        text = text.replace(f"/etc/ssl/slipway/{word}", str(certificate))
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "site.conf").write_text(text)
    shutil.copy2(ROOT / "deploy/proxy/slipway-proxy.conf", folder)
    http = f"http {{ access_log off; {temporary} include site.conf; }}"
    whole = f"pid {folder}/pid; daemon off; error_log {folder}/proxy.log; events {{}} {http}"
    (folder / "nginx.conf").write_text(whole)
    process = subprocess.Popen([find_proxy("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")])
    url = f"https://127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(url), "nginx")
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", headers={"Host": NAME}, verify=False).is_success
    except httpx.HTTPError:
        return False


def _is_free(port: int) -> bool:
    return not any(each.laddr and each.laddr.port == port for each in psutil.net_connections("tcp"))
