"""Starts programs: as a provider does, or, where a test is not about that, from a process that has imported already."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parents[2]


class Process(Protocol):
    """What the tests need of `subprocess.Popen`."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class FosterProcess:
    """A process that is no child of this one; `told` is where its number and then its exit code come from."""

    def __init__(self, told: int) -> None:
        self._told = os.fdopen(told, "rb", buffering=0)
        self.pid = int(self._told.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self.returncode = int(self._told.readline())
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None and not select.select([self._told], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run_module(
    module: str, arguments: Sequence[str], output: int, environment: Mapping[str, str], *, cold: bool = False
) -> Process:
    """Run it with this Python, from the root of the repository, its output going to that descriptor.

    cold: as a provider does it, with its imports to come, which take seconds.
    """
    told = {**os.environ, **environment, "PYTHONPATH": str(ROOT)}
    if cold:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=told, stdout=output, stderr=output, cwd=ROOT, start_new_session=True,
        )  # fmt: skip
    asked = {"module": module, "arguments": [*arguments], "environment": told, "folder": str(ROOT)}
    reading, writing = os.pipe()
    socket.send_fds(_warm(), [json.dumps(asked).encode()], [output, writing])
    os.close(writing)
    return FosterProcess(reading)


def finish_module(module: str, arguments: Sequence[str], log: Path) -> tuple[int, list[str]]:
    """Run it to its end; its exit code, and the lines that it wrote into `log`."""
    with log.open("wb") as output:
        code = run_module(module, arguments, output.fileno(), {}).wait(120)
    return code, log.read_text().splitlines()


@cache
def _warm() -> socket.socket:
    """The process that has imported; it ends once this one does, which holds its socket."""
    own, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm.py")), str(its.fileno())],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT, pass_fds=[its.fileno()], start_new_session=True,
        )  # fmt: skip
    return own
