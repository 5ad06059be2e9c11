"""`./run COMMAND` inside the made environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from embedded import inventory, temporary, testing
from embedded.checks import check
from embedded.console import Trouble, complain
from embedded.home import Home
from embedded.manage import manage
from embedded.supervisor import supervise

FROM_FILES = ("DATABASE_URL", "REDIS_URL", "SLIPWAY_ADMIN_PASSWORD")
"""Secrets that we act on ourselves, and give our children as variables."""


def _read_secret(name: str, place: Path) -> str:
    """What the file holds. Raises Trouble as settings do (`config.environment_variable`), which we do not import."""
    if os.environ.get(name):
        raise Trouble(f"{name} and {name}_FILE are both set: keep one of them.")
    if found := place.read_text().strip():
        return found
    raise Trouble(f"{name}_FILE={place} is empty: write the value into the file, or unset {name}_FILE.")


def main(command: str, arguments: list[str]) -> int:
    """Returns the exit code."""
    home = Home.from_environment()
    try:
        for name in FROM_FILES:
            if place := os.environ.pop(f"{name}_FILE", ""):
                os.environ[name] = _read_secret(name, Path(place))
        match command:
            case "start":
                supervise(home)
            case "manage":
                return manage(home, arguments)
            case "check":
                return check()
            case "test":
                return testing.run(arguments)
            case "sbom":
                return inventory.write_sbom(arguments)
            case "vulnerabilities":
                return inventory.report_vulnerabilities()
            case "shots" | "bench" | "prove":
                return temporary.run(command, arguments)
    except Trouble as trouble:
        complain(trouble)
        return 1
    except OSError as error:
        complain(f"{error.strerror}: {error.filename or home.path}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
