"""How a trainer process ends: the exit codes, and the first reason, which is the one that counts."""

from __future__ import annotations

import threading
from dataclasses import dataclass

# Of a bad CONFIG.json or environment: 2, before anything was started.
EXIT_CODES = {"COMPLETED": 0, "ERROR": 1, "INACTIVE": 20, "TERMINATED": 143}
BAD_CONFIG = 2


@dataclass(frozen=True)
class Ending:
    reason: str
    message: str

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.reason]


class Outcome:
    """Set once, from any thread; later endings are ignored."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.ending: Ending | None = None

    def end(self, reason: str, message: str) -> None:
        with self._lock:
            self.ending = self.ending or Ending(reason, message)
