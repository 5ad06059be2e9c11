"""A child of `./run` that is started again when it dies."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from embedded.console import Console, last_lines
from embedded.processes import ChildProcess, kill_group

STEADY_SECONDS = 30
LONGEST_PAUSE_SECONDS = 15


@dataclass
class Supervised:
    """A child that is started again when it dies, later each time in a row (0.4 s, doubled, 15 s at most).

    `failures` counts the deaths in a row, `why` says the last one.
    """

    name: str
    spawn: Callable[[], ChildProcess]
    process: ChildProcess
    log: Path
    started: float = field(default_factory=time.monotonic)
    failures: int = 0
    restart_at: float | None = None
    why: str = ""

    def pause(self) -> float:
        return min(0.2 * 2.0**self.failures, LONGEST_PAUSE_SECONDS)

    def attend(self, console: Console) -> bool:
        """Notice a death, and start the child again when its pause is over; whether it was started just now."""
        now = time.monotonic()
        if self.restart_at is None and (code := self.process.poll()) is not None:
            kill_group(self.process.pid)
            self.failures = 0 if now - self.started > STEADY_SECONDS else self.failures + 1
            self._wait(f"stopped ({ending(code)})", now, console)
            if code > 0:
                self.show_log(console)
        if self.restart_at is None or now < self.restart_at:
            return False
        self.restart_at, self.started = None, now
        try:
            self.process = self.spawn()
        except OSError as error:  # no room for its log, for another process, or for its memory
            self.failures += 1
            self._wait(f"could not be started ({error.strerror})", now, console)
            return False
        return True

    def show_log(self, console: Console) -> None:
        """The last words of its log."""
        for line in last_lines(self.log):
            console.say(f"  {self.name}: {line}")

    def _wait(self, why: str, now: float, console: Console) -> None:
        self.why, self.restart_at = why, now + self.pause()
        console.say(f"{self.name} {why}; starting it again in {self.pause():.1f} s")


def ending(code: int) -> str:
    """An exit status in words."""
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-code).name}"
    return f"killed by signal {-code}"
