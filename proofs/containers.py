"""`docker`, as far as docs/OPERATIONS.md uses it, with namespaces in the place of containers: for a machine without.

A container is a process tree with a process table, mounts, a host name and a /tmp of its own, a read-only root, the
user of the image, no capability and no way to gain one; the network is the machine's, so a service is found on
127.0.0.1 by a port. What stands in docker-compose.yml is what runs: services, commands, variables, health checks,
order, restarts.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

PLACE = Path(os.environ.get("SLIPWAY_CONTAINERS", "/nonexistent"))
"""Where images, volumes and containers lie; `stores` in it says the ports of Postgres and of the broker."""
VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?::(?P<operator>[-?])(?P<rest>[^}]*))?\}")
USERS = {"postgres": 65534, "redis": 65534}
"""Of stores: Postgres asks for a name, and nobody has one everywhere."""
OUR_USER, STATE = 10001, "/var/lib/slipway"
PATIENCE, GRACE_SECONDS = 300, 45
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
            argv = [sys.executable, "-P", "-m", "proofs.containers", "keep", self.id]
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
        return _here(word, self.port, self.volume)


def _here(word: str, port: int | None, volume: str) -> str:
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


class Project:
    """The compose file in this folder, and what runs of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        lines = (folder / ".env").read_text().splitlines() if (folder / ".env").exists() else []
        self.variables = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        self.said: dict[str, Any] = self._filled(yaml.safe_load((folder / "docker-compose.yml").read_text()))
        self.services: dict[str, dict[str, Any]] = self.said["services"]

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._filled(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._filled(each) for each in value]
        return VARIABLE.sub(self._variable, value) if isinstance(value, str) else value

    def _variable(self, found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        value = self.variables.get(found["name"], "")
        if not value and found["operator"] == "?":
            raise SystemExit(f"{found['name']}: {found['rest']}")
        return value or (found["rest"] or "" if found["operator"] == "-" else "")

    def containers(self, service: str = "") -> list[Container]:
        """Of the service, the oldest first; of all where none is named."""
        found = [Container(**json.loads(path.read_text())) for path in (PLACE / "containers").glob("*/made")]
        found.sort(key=lambda each: (each.folder / "made").stat().st_mtime_ns)
        return [each for each in found if service in ("", each.service)]

    def up(self, services: list[str], scales: dict[str, int], *, deps: bool, recreate: bool, wait: bool) -> None:
        """Start what does not run, and replace what is of another image, as `docker compose up --detach` does."""
        for name in self.services:
            if name in services or not services or (deps and self._is_needed(name, services)):
                self._up(name, scales.get(name), recreate=recreate, deps=deps)
                if wait:
                    self.wait(name, "service_healthy")

    def _is_needed(self, name: str, services: list[str]) -> bool:
        return any(name in self.services[service].get("depends_on", {}) for service in services)

    def _up(self, name: str, scale: int | None, *, recreate: bool, deps: bool) -> None:
        if deps:
            for other, wait in self.services[name].get("depends_on", {}).items():
                self.wait(other, wait["condition"])
        there = self.containers(name)
        if recreate:
            for container in there:
                if container.image != self.image_of(name):
                    container.stop()
                    shutil.rmtree(container.folder)
            kept = [container for container in there if container.folder.exists()]
        else:
            kept = there
        wanted = scale or 1
        for container in kept[wanted:]:
            container.stop()
            shutil.rmtree(container.folder)
        for container in kept:
            if container.keeper is None and container.exit_code() is None:
                container.start()
        for _ in range(wanted - len(kept)):
            self.make(name).start()

    def image_of(self, name: str) -> str:
        """The folder of its image as its tag stands now; of a store, its name."""
        tag = PLACE / "images" / self.services[name]["image"].replace("/", "_")
        return str(tag.resolve()) if tag.is_symlink() else self.services[name]["image"]

    def make(self, name: str, command: list[str] | None = None) -> Container:
        """A container of the service with the lowest number that is free, not started."""
        said = self.services[name]
        taken = {each.id for each in self.containers()}
        number = next(n for n in range(1, 99) if f"slipway-{name}-{n}" not in taken)
        port = None
        if "ports" in said:
            _, ports, _ = said["ports"][0].split(":")
            first, last = (int(port) for port in (ports.split("-") * 2)[:2])
            used = {each.port for each in self.containers(name)}
            port = next(port for port in range(first, last + 1) if port not in used)
        volume = PLACE / "volumes" / (name if name in USERS else "state")
        volume.mkdir(parents=True, exist_ok=True)
        os.chown(volume, USERS.get(name, OUR_USER), USERS.get(name, OUR_USER))
        image = self.image_of(name)
        told = command or self._command(name, image, str(volume))
        environment = {key: str(value) for key, value in said.get("environment", {}).items()}
        environment["SLIPWAY_TRAINER_HOST"] = "127.0.0.1"
        ours = {
            "PATH": f"{PLACE / 'bin'}:{os.environ['PATH']}",
            "HOME": str(volume),
            "SLIPWAY_COMMIT": Path(image).name,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "LC_ALL": "C",
        }
        here = {key: _here(value, port, str(volume)) for key, value in environment.items()}
        if name == "postgres":  # whose programs ask a socket file in the image
            stores = json.loads((PLACE / "stores").read_text())
            here |= {"PGHOST": "127.0.0.1", "PGPORT": str(stores[name]), "PGPASSWORD": here["POSTGRES_PASSWORD"]}
        container = Container(
            id=f"slipway-{name}-{number}",
            service=name,
            image=image,
            port=port,
            command=[_here(word, port, str(volume)) for word in told],
            environment=ours | here,
            volume=str(volume),
            once=said.get("restart") == "on-failure" or command is not None,
        )
        container.folder.mkdir(parents=True)
        (container.folder / "made").write_text(json.dumps(asdict(container)))
        return container

    def _command(self, name: str, image: str, volume: str) -> list[str]:
        if name == "postgres":
            return [str(PLACE / "bin" / "start-postgres"), volume]
        told = self.services[name].get("command")
        if told is None:
            told = json.loads((Path(image) / "Dockerfile").read_text().partition("\nCMD ")[2])
        return shlex.split(told) if isinstance(told, str) else list(told)

    def wait(self, name: str, condition: str) -> None:
        """Until it is so. Errors: `SystemExit` where it is not within five minutes."""
        deadline = time.monotonic() + PATIENCE
        check = self.services[name].get("healthcheck", {}).get("test", [])
        while time.monotonic() < deadline:
            there = self.containers(name)
            if condition == "service_completed_successfully" or self.services[name].get("restart") == "on-failure":
                if there and all(each.exit_code() == 0 for each in there):
                    return
            elif there and all(each.healthy(check) for each in there):
                return
            time.sleep(0.3)
        raise SystemExit(f"{name} did not become what others wait for: {condition}")


def build(tag: str, folder: Path) -> None:
    """What the Dockerfile makes of the checkout's commit, as a folder under the tag."""
    asked = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    commit = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()[:12]
    image = PLACE / "images" / commit
    if not image.exists():
        draft = image.with_name(f"{commit}.part")
        draft.mkdir(parents=True)
        archive = subprocess.run(["git", "-C", str(folder), "archive", "HEAD"], check=True, capture_output=True).stdout
        subprocess.run(["tar", "--extract"], cwd=draft, input=archive, check=True)
        for pattern in (draft / ".dockerignore").read_text().split():
            for left_out in draft.glob(pattern):
                shutil.rmtree(left_out) if left_out.is_dir() else left_out.unlink()
        text = (draft / "Dockerfile").read_text()
        steps = text.replace("\\\n", "").splitlines()
        for step in steps[steps.index("COPY . .") + 1 : steps.index("USER slipway")]:
            word, _, rest = step.partition(" ")
            if word == "COPY":
                source, target = rest.split()
                shutil.copy2(draft / source, draft / target)
            elif word == "RUN":
                environment = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings"}
                subprocess.run(rest, shell=True, cwd=draft, env=environment, check=True)
        draft.rename(image)
    link = PLACE / "images" / tag
    link.unlink(missing_ok=True)
    link.symlink_to(image)


def main(arguments: list[str]) -> int:
    """One call of `docker`; its exit code."""
    match arguments:
        case ["keep", name]:
            keep(Container(**json.loads((PLACE / "containers" / name / "made").read_text())))
        case ["build", "--tag", tag, *_, folder]:
            build(tag, Path(folder))
        case ["stop" | "rm" as word, *names]:
            for container in [each for each in Project(Path.cwd()).containers() if each.id in names]:
                container.stop()
                if word == "rm":
                    shutil.rmtree(container.folder)
        case ["compose", *rest]:
            return compose(Project(Path.cwd()), rest)
        case _:
            raise SystemExit(f"this `docker` does not know {shlex.join(arguments)}")
    return 0


def compose(project: Project, arguments: list[str]) -> int:
    """One call of `docker compose`; its exit code."""
    word, *rest = arguments
    options = {option for option in rest if option.startswith("-") and "=" not in option and option != "--scale"}
    match word, rest:
        case "up", _:
            scales = {name: int(many) for name, many in (rest[at + 1].split("=") for at in _places(rest, "--scale"))}
            skipped = {at + 1 for at in _places(rest, "--scale")}
            services = [each for at, each in enumerate(rest) if not each.startswith("-") and at not in skipped]
            deps, recreate = "--no-deps" not in options, "--no-recreate" not in options
            project.up(services, scales, deps=deps, recreate=recreate, wait="--wait" in options)
        case "ps", ["--quiet", service]:
            print(*[container.id for container in project.containers(service)], sep="\n")
        case "exec", ["-T", service, *command]:
            container = project.containers(service)[0]
            return container.execute([container.here(word) for word in command])
        case "run", ["--rm", "-T", "--no-deps", service, *command]:
            container = project.make(service, command)
            argv = container.argv(container.command)
            done = subprocess.run(argv, cwd=container.working_folder, env=container.environment, check=False)
            shutil.rmtree(container.folder)
            return done.returncode
        case (("stop" | "start" | "restart" | "down"), services):
            for container in reversed(project.containers()):
                if not services or container.service in services:
                    if word != "start":
                        container.stop()
                    if word in ("start", "restart"):
                        container.start()
                    if word == "down":
                        shutil.rmtree(container.folder)
        case _:
            raise SystemExit(f"this `docker compose` does not know {shlex.join(arguments)}")
    return 0


def _places(words: list[str], option: str) -> list[int]:
    return [at for at, word in enumerate(words) if word == option]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
