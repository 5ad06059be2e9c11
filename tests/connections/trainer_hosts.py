"""Real processes of trainer-host, forked off one that has loaded it: a test of its own has one at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from connections.providers.local.asking import HostAway, HostClient
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
LOADED = """
import ctypes, json, os, signal, sys
from pathlib import Path
from connections.providers.local.trainer_host import serve

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    root, environment = json.loads(line)
    parent = os.getpid()
    if os.fork():
        continue
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    serve(Path(root))
    os._exit(0)
"""


def start_trainer_host(root: Path) -> None:
    """Start one, and wait until it answers. It has our environment of now."""
    loaded = _loaded()
    assert loaded.stdin
    loaded.stdin.write(json.dumps([str(root), dict(os.environ)]) + "\n")
    loaded.stdin.flush()
    wait_for(lambda: answers(root))


def end_trainer_host(root: Path, number: int = signal.SIGTERM) -> None:
    """Have the one of the folder end, if there is one, and wait until nobody answers any more."""
    with suppress(HostAway):
        os.kill(HostClient(root).state().pid, number)
        wait_for(lambda: not answers(root))


def answers(root: Path) -> bool:
    """Whether one looks after the folder."""
    try:
        HostClient(root).state()
    except HostAway:
        return False
    return True


@cache
def _loaded() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", LOADED], cwd=ROOT, stdin=subprocess.PIPE, text=True)
