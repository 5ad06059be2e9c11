"""A compose file and what runs of it, in the containers of `proofs.containers`.

What stands in the file is what runs: services, commands, variables, health checks, order, restarts.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from proofs import containers, dockerfile
from proofs.containers import OUR_USER, USERS, Container, on_this_machine

VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?::(?P<operator>[-?])(?P<rest>[^}]*))?\}")
PATIENCE = 300


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
        found = [Container(**json.loads(path.read_text())) for path in (containers.PLACE / "containers").glob("*/made")]
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
        tag = containers.PLACE / "images" / self.services[name]["image"].replace("/", "_")
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
        volume = containers.PLACE / "volumes" / (name if name in USERS else "state")
        volume.mkdir(parents=True, exist_ok=True)
        os.chown(volume, USERS.get(name, OUR_USER), USERS.get(name, OUR_USER))
        image = self.image_of(name)
        told = command or self._command(name, image, str(volume))
        given = said.get("environment", {})
        passed_on = {key: self.variables.get(key) for key, value in given.items() if value is None}
        environment = {key: str(value) for key, value in (given | passed_on).items() if value is not None}
        environment["SLIPWAY_TRAINER_HOST"] = "127.0.0.1"
        ours = {
            "PATH": f"{containers.PLACE / 'bin'}:{os.environ['PATH']}",
            "HOME": str(volume),
            "SLIPWAY_COMMIT": Path(image).name,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "LC_ALL": "C",
        }
        here = {key: on_this_machine(value, port, str(volume)) for key, value in environment.items()}
        if name == "postgres":  # whose programs ask a socket file in the image
            stores = json.loads((containers.PLACE / "stores").read_text())
            here |= {"PGHOST": "127.0.0.1", "PGPORT": str(stores[name]), "PGPASSWORD": here["POSTGRES_PASSWORD"]}
        container = Container(
            id=f"slipway-{name}-{number}",
            service=name,
            image=image,
            port=port,
            command=[on_this_machine(word, port, str(volume)) for word in told],
            environment=ours | here,
            volume=str(volume),
            once=said.get("restart") == "on-failure" or command is not None,
        )
        container.folder.mkdir(parents=True)
        (container.folder / "made").write_text(json.dumps(asdict(container)))
        return container

    def _command(self, name: str, image: str, volume: str) -> list[str]:
        told = self.services[name].get("command")
        if name == "postgres":
            options = shlex.split(told)[1:] if told else []
            return [str(containers.PLACE / "bin" / "start-postgres"), volume, *options]
        if told is None:
            return dockerfile.command(Path(image))
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
