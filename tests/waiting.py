"""Wait for what happens elsewhere, in another process or thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Until the condition holds; fails the test where it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {seconds} s"
        time.sleep(0.02)


def is_up(get: Callable[[str], Any]) -> bool:
    """Whether a Slipway that `get` asks by the path is whole, as `./run` says it: a full disk is lived with."""
    answers = [get(path) for path in ("/readyz", "/statusz")]
    checks = {name: outcome for answer in answers for name, outcome in answer.json()["checks"].items()}
    return all(outcome == "ok" for name, outcome in checks.items() if name != "disk")
