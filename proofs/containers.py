"""Containers out of namespaces, for a machine without Docker: what each is, how it is begun, kept running and asked.

A container is a process tree with a process table, mounts, a host name and a /tmp of its own, a read-only root, the
user of the image, no capability and no way to gain one; the network is the machine's, so a service is found on
127.0.0.1 by a port.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

PLACE = Path(os.environ.get("SLIPWAY_CONTAINERS", "/nonexistent"))
"""Where images, volumes and containers lie; `stores` in it says the ports of Postgres and of the broker."""
USERS = {"postgres": 65534, "redis": 65534}
"""Of stores: Postgres asks for a name, and nobody has one everywhere."""
OUR_USER, STATE = 10001, "/var/lib/slipway"
GRACE_SECONDS = 45
BEGIN = """
set -e
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount --bind "$2" "$2"
mount -o remount,bind,ro /
hostname "$1"
user=$3
shift 3
exec setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""


@dataclass(frozen=True)
class Container:
    """One that was made, whether it runs or not."""

    id: str
    service: str
    image: str
    port: int | None
    command: list[str]
    environment: dict[str, str]
    volume: str
    once: bool = False

    @property
    def folder(self) -> Path:
        return PLACE / "containers" / self.id

    @property
    def keeper(self) -> psutil.Process | None:
        """Who starts it again; none where it was stopped or has ended."""
        try:
            found = psutil.Process(int((self.folder / "pid").read_text()))
            return found if found.status() != psutil.STATUS_ZOMBIE and self.id in found.cmdline() else None
        except (OSError, ValueError, psutil.Error):
            return None

    def main_process(self) -> psutil.Process | None:
        """The first process inside, as seen from here."""
        try:
            keeper = self.keeper
            outside = keeper.children() if keeper else []
            inside = outside[0].children() if outside else []
        except psutil.NoSuchProcess:  # one that ended while we looked
            return None
        return inside[0] if inside else None

    def argv(self, command: list[str]) -> list[str]:
        """What runs a command in namespaces like its own."""
        user = USERS.get(self.service, OUR_USER)
        namespaces = ["unshare", "--pid", "--mount", "--uts", "--fork", "--kill-child", "--mount-proc"]
        begin = ["sh", "-c", BEGIN, "begin", self.id, self.volume, str(user)]
        return [*namespaces, *begin, sys.executable, "-I", str(Path(__file__).with_name("first_process.py")), *command]

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            argv = [sys.executable, "-P", "-m", "proofs.docker", "keep", self.id]
            keeper = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        (self.folder / "pid").write_text(str(keeper.pid))

    def stop(self) -> None:
        """As `docker stop`: asked, and killed after the grace period."""
        if keeper := self.keeper:
            keeper.terminate()
            psutil.wait_procs([keeper], timeout=60)

    def exit_code(self) -> int | None:
        """Of one that is to run once; None while it runs."""
        ended = self.folder / "code"
        return int(ended.read_text()) if ended.exists() else None

    def healthy(self, check: list[str]) -> bool:
        """Whether its health check, run as it is, says so."""
        if not check:
            return self.main_process() is not None
        kind, *words = check
        argv = ["sh", "-c", words[0]] if kind == "CMD-SHELL" else words
        try:
            return self.execute([self.here(word) for word in argv], timeout=30) == 0
        except subprocess.TimeoutExpired:
            return False

    def execute(self, command: list[str], timeout: float | None = None) -> int:
        """Run it inside, as its user; the exit code."""
        inside = self.main_process()
        if inside is None:
            if timeout is None:  # not of a health check, which asks again and again while it starts
                print(f"{self.id} does not run", file=sys.stderr)
            return 1
        user = str(USERS.get(self.service, OUR_USER))
        enter = ["nsenter", "--target", str(inside.pid), "--pid", "--mount", "--uts", "--wdns=" + self.working_folder]
        drop = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--no-new-privs"]
        out = subprocess.DEVNULL if timeout else None
        environment = self.environment | {"HOSTNAME": self.id}
        argv = [*enter, *drop, *command]
        done = subprocess.run(argv, env=environment, timeout=timeout, stdout=out, stderr=out, check=False)
        return done.returncode

    @property
    def working_folder(self) -> str:
        return self.image if self.service not in USERS else self.volume

    def here(self, word: str) -> str:
        """An address or a path of a container's, as it is on this machine."""
        return on_this_machine(word, self.port, self.volume)


def on_this_machine(word: str, port: int | None, volume: str) -> str:
    """An address or a path of a container with that port and volume, as it is here."""
    stores = json.loads((PLACE / "stores").read_text())
    for service, at in stores.items():
        word = re.sub(rf"\b{service}:\d+", f"127.0.0.1:{at}", word)
    word = word.replace("0.0.0.0", "127.0.0.1").replace(STATE, volume)
    return re.sub(r"\b8000\b", str(port), word) if port else word


def keep(container: Container) -> None:
    """Run it, again and again unless it is to run once, until we are asked to stop."""
    inner: subprocess.Popen[bytes] | None = None
    asked = 0.0

    def stop(*_: Any) -> None:
        nonlocal asked
        asked = time.monotonic()
        if inner and (first := container.main_process()):
            # The images of Postgres say SIGINT, at which it asks nobody to leave by themselves.
            first.send_signal(signal.SIGINT if container.service == "postgres" else signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    while not asked:
        environment = container.environment | {"HOSTNAME": container.id}
        argv = container.argv(container.command)
        inner = subprocess.Popen(argv, cwd=container.working_folder, env=environment)
        while inner.poll() is None:
            time.sleep(0.05)
            if asked and time.monotonic() - asked > GRACE_SECONDS:
                inner.kill()
        if container.once and (inner.returncode == 0 or asked):
            (container.folder / "code").write_text(str(inner.returncode))
            return
        time.sleep(0 if asked else 0.5)
