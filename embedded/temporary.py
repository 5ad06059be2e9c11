"""`./run shots`, `bench` and `prove`: a whole Slipway on a temporary state, and a program that looks at it."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.addresses import free_port
from embedded.browser import find_browser, find_or_install_browser
from embedded.console import Console, Trouble
from embedded.foreground import run_in_foreground
from embedded.home import ROOT, Home, temporary_home
from embedded.processes import before_exec
from embedded.services import environment
from embedded.testing import forget_settings

PROGRAMS = {"shots": "benchmarks.shots", "bench": "benchmarks", "prove": "proofs"}
SETTINGS = {"prove": {"SLIPWAY_LOCAL_SAMPLERS": "2", "SLIPWAY_EVENTS_DAYS": "30"}}
"""Of the Slipway that a command looks at: distillation asks a student's and a teacher's sampler at once, and retention
is about what has a time."""
STOP_SECONDS = 12
WITHOUT = ("upgrade", "gameday", "gpu")
"""Proofs that start what they need by themselves."""


@contextmanager
def slipway(home: Home) -> Iterator[dict[str, str]]:
    """A running Slipway with its state in `home`; yields the environment that tells a program where it is.

    Raises:
        Trouble: it did not start; what it said stands on the terminal.
    """
    port = free_port()
    os.environ |= {"SLIPWAY_HOME": str(home.path), "PORT": str(port), "SLIPWAY_CONNECTION_NETWORKS": "127.0.0.0/8"}
    os.environ |= {"SLIPWAY_ADMIN_USER": "admin", "SLIPWAY_ADMIN_PASSWORD": secrets.token_urlsafe(12)}
    prepare = before_exec(None, signal.SIGTERM)
    argv = [sys.executable, "-P", "-m", "embedded", "start"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, preexec_fn=prepare)  # noqa: PLW1509 - one thread
    try:
        assert process.stdout is not None
        if not any("is ready" in line for line in process.stdout):
            raise Trouble("Slipway did not start, so there is nothing to look at.")
        running = home.read_running()
        assert running is not None
        addresses = {"database_url": running.database_url, "redis_url": running.redis_url}
        yield environment(home, **addresses) | {"SLIPWAY_BASE_URL": running.url.rstrip("/")}
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def take_settings(command: str) -> None:
    """Those of the command, and none of the caller's."""
    forget_settings()
    os.environ |= SETTINGS.get(command, {})


def run(command: str, arguments: list[str]) -> int:
    """Run the program against a Slipway of its own, or none where it is asked for help; returns its exit code."""
    if not {"-h", "--help"}.isdisjoint(arguments):
        return run_in_foreground([sys.executable, "-m", PROGRAMS[command], "--help"], env=os.environ, cwd=ROOT)
    if command == "prove" and arguments[:1] and arguments[0] in WITHOUT:
        take_settings(command)
        return run_in_foreground([sys.executable, "-m", PROGRAMS[command], *arguments], env=os.environ, cwd=ROOT)
    if command == "prove":  # it runs in another folder than its caller, who named a path
        arguments = [*arguments[:1], *(str(Path(path).absolute()) for path in arguments[1:2]), *arguments[2:]]
    if command == "bench":
        arguments = _bench_arguments(arguments)
        if arguments[:1] == ["compare"]:
            return run_in_foreground([sys.executable, "-m", PROGRAMS[command], *arguments], env=os.environ, cwd=ROOT)
    console = Console()
    browser = find_or_install_browser(console) if command == "shots" else find_browser()
    if command == "shots" and not browser:
        raise Trouble("Screenshots need Chromium: install chromium, or set SLIPWAY_CHROMIUM to one.")
    take_settings(command)
    with temporary_home() as home:
        console.say("Starting a Slipway of its own")
        started = time.monotonic()
        with slipway(home) as env:
            console.say(f"  ready after {time.monotonic() - started:.1f} s")
            argv = [sys.executable, "-m", PROGRAMS[command], *arguments]
            return run_in_foreground(argv, env=env | {"SLIPWAY_CHROMIUM": browser or ""}, cwd=ROOT)


def _bench_arguments(arguments: list[str]) -> list[str]:
    """With the files that the caller named relative to another folder than the one it runs in."""
    if arguments[:1] == ["compare"]:
        return ["compare", *(str(Path(path).absolute()) for path in arguments[1:])]
    before = [None, *arguments]
    return [str(Path(each).absolute()) if last == "--save" else each for last, each in zip(before, arguments)]  # noqa: B905
