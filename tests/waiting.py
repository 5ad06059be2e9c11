"""Wait for what happens elsewhere, in another process or thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

MOST_PAUSE = 0.5


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Until the condition holds; fails the test where it does not in time.

    What takes long to ask is asked less often, so that asking takes no more than a quarter of a processor from what is
    waited for.
    """
    deadline = time.monotonic() + seconds
    asked = time.monotonic()
    while not condition():
        answered = time.monotonic()
        assert answered < deadline, f"it did not happen within {seconds} s"
        time.sleep(min(max(0.02, 3 * (answered - asked)), MOST_PAUSE))
        asked = time.monotonic()


def is_up(get: Callable[[str], Any]) -> bool:
    """Whether a Slipway that `get` asks by the path is whole, as `./run` says it: a full disk is lived with."""
    answers = [get(path) for path in ("/readyz", "/statusz")]
    checks = {name: outcome for answer in answers for name, outcome in answer.json()["checks"].items()}
    return all(outcome == "ok" for name, outcome in checks.items() if name != "disk")
