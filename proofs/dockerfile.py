"""The Dockerfile, read and carried out on a machine without Docker; the base image and Python's packages are ours."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path


def instructions(folder: Path) -> list[tuple[str, str]]:
    """Of the folder's Dockerfile: each word, and what follows it."""
    lines = (folder / "Dockerfile").read_text().replace("\\\n", "").splitlines()
    parted = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in parted]


def command(folder: Path) -> list[str]:
    """What a container of the image runs where nobody says otherwise."""
    (told,) = [rest for word, rest in instructions(folder) if word == "CMD"]
    found: list[str] = json.loads(told)
    return found


def make_image(folder: Path, environment: Mapping[str, str]) -> None:
    """Of a checkout's files in the folder make those of the image: what is left out goes, what is copied and run is."""
    for pattern in (folder / ".dockerignore").read_text().split():
        for left_out in folder.glob(pattern):
            shutil.rmtree(left_out) if left_out.is_dir() else left_out.unlink()
    steps = instructions(folder)
    for word, rest in steps[steps.index(("COPY", ". .")) + 1 : steps.index(("USER", "slipway"))]:
        if word == "COPY":
            source, target = rest.split()
            shutil.copy2(folder / source, folder / target)
        elif word == "RUN":
            subprocess.run(rest, shell=True, cwd=folder, env=environment, check=True)
