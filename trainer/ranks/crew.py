"""The processes of a trainer on one node: started by that which was started there, and gone with it."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from trainer.outcome import EXIT_CODES
from trainer.program import TOKEN_VARIABLE
from trainer.ranks.places import RANK_VARIABLE, RankPlace
from trainer.ranks.roll import Roll

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
_prctl: Callable[[int, int], int] | None = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


class Crew:
    """Those ranks of a node that this process started."""

    def __init__(self, place: RankPlace, roll: Roll) -> None:
        self._place = place
        self._roll = roll
        self._started: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, config: Path, token: str) -> None:
        """Start the other processes of this node. Errors: OSError."""
        parent = os.getpid()

        def die_with_parent() -> None:
            if _prctl is not None:
                _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != parent:  # it died before we said so
                    os._exit(EXIT_CODES["ERROR"])

        for rank in self._place.others_of_node if self._place.begins_node else ():
            environment = {**os.environ, RANK_VARIABLE: str(rank), TOKEN_VARIABLE: token}
            self._started[rank] = subprocess.Popen(
                [sys.executable, "-m", "trainer", str(config)],
                env=environment,
                stdin=subprocess.DEVNULL,
                preexec_fn=die_with_parent,  # noqa: PLW1509  (it only makes a system call)
            )
        if self._started:
            log.info("started %d more processes of %d", len(self._started), self._place.size)

    def lost(self) -> str:
        """Why there is one process less than there should be; "" where there is none."""
        if said := self._roll.lost():
            return said
        for rank, process in self._started.items():
            if (code := process.poll()) is not None:  # before it could say that it is there
                return f"Rank {rank} of {self._place.size} could not start: it ended with exit code {code}."
        return ""
