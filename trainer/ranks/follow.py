"""What a rank other than 0 does with its life: load, run what rank 0 tells it, and end when rank 0 does."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable

from trainer.checkpoints import Checkpoints
from trainer.config import TrainerConfig
from trainer.errors import ConfigError, OperationError
from trainer.outcome import Ending
from trainer.process import start_thread
from trainer.ranks.crew import Crew
from trainer.ranks.places import RankPlace
from trainer.ranks.roll import LOST_S, Roll, is_lost_connection
from trainer.sessions import Sessions
from trainer.work import Later

log = logging.getLogger(__name__)

TICK_S = 0.2


class Follower:
    """A rank that is told what to do."""

    def __init__(self, config: TrainerConfig, place: RankPlace, start_others: Callable[[Crew], None]) -> None:
        self._config = config
        self._place = place
        self._start_others = start_others
        self._roll = Roll(config.directory, place.rank, place.size)
        self._ending: Ending | None = None

    def run(self) -> Ending:
        """Follow until rank 0 has ended, or this one cannot go on."""
        # They are sent to all processes at once, and rank 0 decides what comes of them.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        logging.getLogger("trainer").setLevel(logging.WARNING)
        self._roll.call()
        crew = Crew(self._place, self._roll)
        self._start_others(crew)
        start_thread("operations", self._follow)
        while self._ending is None:
            time.sleep(TICK_S)
            if self._roll.has_ended(0):
                self._ending = Ending("COMPLETED", "Rank 0 has ended.")
            elif self._place.begins_node and (lost := crew.lost()):
                time.sleep(TICK_S)
                if not self._roll.has_ended(0):  # it has where it is who was lost, and where others ended after it
                    self._fail(lost)
        return self._ending

    def _follow(self) -> None:
        # Seconds of imports: they are made here, while it is seen already whether rank 0 is there.
        from trainer.loading import load_parts  # noqa: PLC0415
        from trainer.operations.table import run_operation  # noqa: PLC0415
        from trainer.ranks.group import Ranks  # noqa: PLC0415

        config = self._config
        try:
            group = Ranks(self._place, self._roll.meeting, config.scheme)
            checkpoints = Checkpoints(config.checkpoints, config.jobs_root, config.job)
            parts, _ = load_parts(config, checkpoints, Sessions(), group)
        except Exception as error:  # this rank alone may have met it, and the others wait for it
            self._end_for(error)
            return
        try:
            while True:
                name, request = group.agree(_nothing)
                try:
                    answer = run_operation(name, parts, request)
                    if isinstance(answer, Later):
                        answer.answer.add_done_callback(lambda done: self._check(done.exception()))
                except OperationError as error:  # which all ranks raised, and rank 0 answers with
                    log.debug("%s refused: %s", name, error.detail)
        except Exception as error:
            self._check(error)

    def _check(self, error: BaseException | None) -> None:
        """End where this rank cannot go on. What rank 0 answers with is told there."""
        if error is not None and not isinstance(error, OperationError):
            self._end_for(error)

    def _end_for(self, error: BaseException) -> None:
        is_told_by_all = isinstance(error, (OperationError, ConfigError))
        if is_told_by_all or (isinstance(error, Exception) and is_lost_connection(error)):
            time.sleep(LOST_S)  # rank 0 sees who is gone, or met the same, and ends all
        log.debug("rank %d failed", self._place.rank, exc_info=error)
        kind = "" if is_told_by_all else f"{type(error).__name__}: "
        self._fail(f"{kind}{' '.join(str(error).split())[:500]}")

    def _fail(self, reason: str) -> None:
        self._roll.leave_reason(reason)
        log.error("rank %d: %s", self._place.rank, reason)
        self._ending = self._ending or Ending("ERROR", reason)


def _nothing() -> tuple[str, None]:
    """What this rank has to say, which nobody hears."""
    return "", None
