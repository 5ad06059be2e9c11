"""How long `./run` takes until it is ready, on a new state and again, and what everything holds in memory when idle.

memory   of all processes of `./run`, Postgres and the broker included; what several share counts once (Linux: PSS)
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.noted import note
from benchmarks.results import Figure
from embedded.addresses import free_port
from embedded.home import ROOT

IDLE_SECONDS = 10
STOP_SECONDS = 30
GOAL_SECONDS, GOAL_MB = 3.0, 400
LEFT_OUT = ("DATABASE_URL", "REDIS_URL", "SLIPWAY_", "DJANGO_")


def main() -> None:
    """Print seconds and megabytes beside their goals."""
    with tempfile.TemporaryDirectory(prefix="slipway-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        home = Path(folder) / "var"
        with _running(home) as (cold, _):
            print(f"on a new state: ready after {cold:.1f} s")
        with _running(home) as (warm, process):
            print(f"again: ready after {warm:.1f} s; goal {GOAL_SECONDS} s: {_met(warm <= GOAL_SECONDS)}")
            time.sleep(IDLE_SECONDS)
            held = _megabytes(process)
            print(f"idle: {held:.0f} MB; goal {GOAL_MB} MB: {_met(held < GOAL_MB)}")
    note(Figure("start, on a new state", cold))
    note(Figure("start, again", warm))
    note(Figure("memory, idle", held, unit="MB"))


@contextmanager
def _running(home: Path) -> Iterator[tuple[float, psutil.Process]]:
    """Seconds until it was ready, and the process of `./run`; it has ended afterwards."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}
    env = kept | {"SLIPWAY_HOME": str(home), "PORT": str(free_port()), "PYTHONPATH": str(ROOT)}
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "embedded", "start"], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            if not any("is ready" in line for line in process.stdout):
                raise RuntimeError("Slipway did not start.")
            yield time.monotonic() - began, psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)


def _megabytes(process: psutil.Process) -> float:
    held = 0
    for one in (process, *process.children(recursive=True)):
        told = one.memory_full_info()
        held += getattr(told, "pss", told.uss)
    return held / 1e6


def _met(is_met: bool) -> str:
    return "met" if is_met else "MISSED"
