"""`docker`, as far as docs/OPERATIONS.md uses it, with namespaces in the place of containers: for a machine without."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from proofs import containers
from proofs.compose import Project
from proofs.containers import Container, keep
from proofs.dockerfile import make_image


def build(tag: str, folder: Path) -> None:
    """What the Dockerfile makes of the checkout's commit, as a folder under the tag."""
    asked = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    commit = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()[:12]
    image = containers.PLACE / "images" / commit
    if not image.exists():
        draft = image.with_name(f"{commit}.part")
        draft.mkdir(parents=True)
        archive = subprocess.run(["git", "-C", str(folder), "archive", "HEAD"], check=True, capture_output=True).stdout
        subprocess.run(["tar", "--extract"], cwd=draft, input=archive, check=True)
        make_image(draft, {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings"})
        draft.rename(image)
    link = containers.PLACE / "images" / tag
    link.unlink(missing_ok=True)
    link.symlink_to(image)


def main(arguments: list[str]) -> int:
    """One call of `docker`; its exit code."""
    match arguments:
        case ["keep", name]:
            keep(Container(**json.loads((containers.PLACE / "containers" / name / "made").read_text())))
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
