"""The command lines and the environment of trainer-host, web, worker and beat."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from embedded.home import ROOT, Home

# Every supervised process carries it, and so do the trainers that are started.
MARK = "SLIPWAY_SUPERVISED_BY"
LEAST_PROCESSES, MOST_PROCESSES = 2, 4
LOADED = "config.loaded"
"""What loads all that the four and setting up need, so that they can be forked off who has it."""
MANAGE = [sys.executable, str(ROOT / "manage.py")]


def environment(home: Home, *, database_url: str, redis_url: str) -> dict[str, str]:
    """What the Django processes get on top of the environment that ./run was started in."""
    # PYTHONPATH was only how ./run found this package; a trainer must not inherit it.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return inherited | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SLIPWAY_HOME": str(home.path),
        "SLIPWAY_EMBEDDED": "1",
    }


def processes_at_once() -> int:
    """How many processes serve, and how many take tasks."""
    return max(LEAST_PROCESSES, min(os.cpu_count() or 1, MOST_PROCESSES))


def command_lines(port: int) -> dict[str, list[str]]:
    """Command lines by service name, in the order in which they are started."""
    processes = str(processes_at_once())
    celery = [sys.executable, "-m", "celery", "-A", "config", "--quiet"]
    return {
        "trainer-host": [sys.executable, "-m", "config.trainer_host"],
        "web": [
            *(sys.executable, "-m", "config.web", "--host", "127.0.0.1", "--port", str(port)),
            *("--workers", processes),
        ],
        "worker": [
            *(*celery, "worker", "--loglevel", "INFO", "--pool", "prefork", "--concurrency", processes),
            *("--without-gossip", "--without-mingle"),
        ],
        # Remembers nothing on the disk: all that it sends is due within the hour, and a full disk would end it.
        "beat": [
            *(*celery, "beat", "--loglevel", "INFO", "--scheduler", "celery.beat:Scheduler", "--pidfile", ""),
        ],
    }


def programs_path(*folders: Path | None) -> str:
    """PATH with these folders in front."""
    return os.pathsep.join([*(str(folder) for folder in folders if folder), os.environ.get("PATH", os.defpath)])
