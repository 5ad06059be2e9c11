"""The deployment of two replicas that docs/OPERATIONS.md describes, by its own commands, with a proxy in front."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from embedded.addresses import free_port
from embedded.broker import find_server
from embedded.postgres import find_binaries
from proofs import containers
from proofs.compose import Project
from proofs.containers import Container
from tests.certificates import make_certificate
from tests.proxies import NAME, nginx
from tests.sdk.environments import ensure_environment

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "OPERATIONS.md"
PATIENCE = 300
PROGRAMS = {
    "docker": 'exec {python} -P -m proofs.docker "$@"',
    "openssl": 'exec {python} -c "import secrets; print(secrets.token_hex(int($3)))"',
    "valkey-server": 'exec {valkey} "$@" --port {redis} --bind 127.0.0.1 --dir /tmp',
    "valkey-cli": "{python} -c 'import os, redis; "
    'print(redis.Redis(port={redis}, password=os.environ["REDISCLI_AUTH"]).execute_command("PING") and "PONG")\'',
    "start-postgres": "cd {postgres_bin}\n"
    'test -e "$1/data" || {{ echo "$POSTGRES_PASSWORD" > "$1/password"; ./initdb --encoding=UTF8 --auth=scram-sha-256'
    ' --pwfile="$1/password" -U "$POSTGRES_USER" -D "$1/new" && mv "$1/new" "$1/data"; fresh=1; }}\n'
    'test -z "$fresh" || echo "CREATE DATABASE $POSTGRES_DB" | ./postgres --single -D "$1/data" postgres\n'
    'data="$1/data"; shift\n'
    'exec ./postgres -D "$data" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c port={postgres} "$@"',
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


def new_deployment(folder: Path, commit: str) -> TwoReplicas:
    """One of that commit in a new folder, which `docker` here acts on from now on; nothing runs yet."""
    folder.mkdir(parents=True)
    containers.PLACE = folder
    deployment = TwoReplicas(folder)
    git("checkout", "--quiet", commit, at=deployment.project)
    return deployment


def git(*words: str, at: Path) -> str:
    """What git says there."""
    return subprocess.run(["git", "-C", str(at), *words], check=True, capture_output=True, text=True).stdout.strip()


def wait_for(done: Callable[[], bool], what: str) -> None:
    """Errors: `SystemExit` where that has not come within five minutes."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(0.3)


@contextmanager
def proxy_of(deployment: TwoReplicas) -> Iterator[str]:
    """nginx as deploy/proxy has it, on a free port, in front of all eight ports that web may have."""
    folder, port = deployment.folder, free_port()
    certificate = make_certificate(NAME, folder)
    first = int(deployment.setting("PORT").partition("-")[0])  # a restored one has the ports of its backup
    addresses = [f"127.0.0.1:{first + n}" for n in range(8)]
    process = subprocess.Popen(nginx(folder, port, certificate, addresses))
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
