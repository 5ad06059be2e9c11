"""Processes that see none of ours, as those of another container on the same volume: pid and mount namespaces."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest

from connections.providers.attempts import Reference
from connections.providers.local.asking import settings_of
from connections.providers.local.provider import LocalProvider
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
ALONE = ("unshare", "--pid", "--mount", "--fork", "--mount-proc", "--kill-child")
WORKER = """
import json, sys
from connections.providers.attempts import Reference
from connections.providers.local.trainer_host import provider_from
from tests.connections.rig import make_submission

provider = provider_from(json.loads(sys.argv[1]))
for line in sys.stdin:
    verb, *reference = json.loads(line)
    reference = Reference(*reference)
    said = ["", "", False]
    if verb == "submit":
        provider.submit(make_submission(reference))
    elif verb == "cancel":
        provider.cancel(reference)
    else:
        seen = provider.observe(reference)
        said = [seen.state.value, seen.reason and seen.reason.value, seen.ready]
    print(json.dumps(said), flush=True)
"""
HOST = """
import sys
from pathlib import Path
from connections.providers.local.trainer_host import serve

serve(Path(sys.argv[1]), end_within=float(sys.argv[2]) if sys.argv[2:] else None)
"""


@cache
def _may_be_alone() -> bool:
    return subprocess.run([*ALONE, "true"], check=False, capture_output=True).returncode == 0


def alone(program: str, *arguments: str, home: Path) -> subprocess.Popen[str]:
    """Start the Python program where it sees no other process, with a home of its own; skips where that cannot be."""
    if not _may_be_alone():
        pytest.skip("this machine lets us make no pid namespace")
    home.mkdir(exist_ok=True)
    return subprocess.Popen(
        [*ALONE, sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env=os.environ | {"HOME": str(home), "TMPDIR": str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def tell(process: subprocess.Popen[str], number: int) -> None:
    """Send a signal to the first process of such a namespace, whose end is that of all in it."""
    (first,) = psutil.Process(process.pid).children()
    first.send_signal(number)


@dataclass(frozen=True)
class Worker:
    """One that submits, observes and cancels through the provider of the rig."""

    process: subprocess.Popen[str]

    def does(self, verb: str, reference: Reference) -> list[Any]:
        """The state, the reason and whether it is ready, of an observation."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps([verb, reference.account, reference.job, reference.attempt]) + "\n")
        self.process.stdin.flush()
        said: list[Any] = json.loads(self.process.stdout.readline())
        return said

    def sees(self, reference: Reference, *expected: Any) -> None:
        """Observe it until it is as expected."""
        wait_for(lambda: self.does("observe", reference) == [*expected])

    def end(self) -> None:
        """Kill it with all that it started."""
        if self.process.poll() is None:
            tell(self.process, signal.SIGKILL)
        self.process.wait()


def start_worker(provider: LocalProvider, home: Path) -> Worker:
    """One in a namespace of its own."""
    return Worker(alone(WORKER, json.dumps(settings_of(provider)), home=home))
