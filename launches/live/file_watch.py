"""Look at an attempt as soon as its trainer wrote something, where a page waits for it: sooner than it is due.

Whoever looked last at an attempt keeps an eye on its files until the next look is due: in one thread of the process,
which asks the file system for sizes and times and the broker whether somebody watches, and neither opens a file nor
asks the database. So no worker waits for a trainer, and a process that dies takes nothing along but that: the look
that is due comes all the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from launches.live.hints import LOOK
from launches.live.wake import watched_among
from queues.hints import hint

TICK_SECONDS = 0.02
TICK_SHARE = 0.1
"""Of one CPU, at most, for asking about files, however many there are: then it is asked less often."""
REST_SECONDS = 0.05
"""From one look at an attempt to the next one, at least: a trainer may write all the time."""
LOOKS_SHARE, LOOKS_WALL_SHARE = 0.25, 0.5
"""Of one CPU, and of one worker's time, about, at most, for looks that were hinted here.

Those that wait for a slow disk compute little, but take a worker from others all the same.
"""
KEPT_SECONDS = 2.0
"""Until somebody has looked again as a rule; who looks keeps the next eye."""
ASKED_SECONDS = 1.0
"""How long it counts which accounts are watched."""

Signature = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class FileNews:
    """Files of one attempt, and how they were."""

    files: Sequence[Path]
    were: Signature

    @classmethod
    def of(cls, files: Sequence[Path]) -> FileNews:
        """As they are now."""
        return cls(files, _signature(files))

    @property
    def is_there(self) -> bool:
        """Whether one of them is another than it was."""
        return _signature(self.files) != self.were


def _signature(files: Sequence[Path]) -> Signature:
    """Of links, what they are themselves: where a trainer leads them is not asked."""
    found = []
    for path in files:
        size, changed = -1, 0
        with suppress(OSError):
            about = path.lstat()
            size, changed = about.st_size, about.st_mtime_ns
        found.append((size, changed))
    return tuple(found)


@dataclass(frozen=True)
class _Eye:
    account: int
    news: FileNews
    since: float
    rest: float


class FileWatch:
    """The attempts that this process looked at last."""

    def __init__(self) -> None:
        self._eyes: dict[int, _Eye] = {}
        self._watched: frozenset[int] = frozenset()
        self._asked_at = 0.0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def keep(self, attempt: int, account: int, news: FileNews, *, cpu_seconds: float, wall_seconds: float) -> None:
        """Hint a look once there is news, within `KEPT_SECONDS` and where somebody of the account watches.

        The last look took `cpu_seconds` of this thread, and kept its worker from others for `wall_seconds`.
        """
        rest = max(cpu_seconds * (1 / LOOKS_SHARE - 1), wall_seconds * (1 / LOOKS_WALL_SHARE - 1))
        with self._lock:
            self._eyes[attempt] = _Eye(account, news, time.monotonic(), rest)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="file-watch", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        took = 0.0
        while True:
            time.sleep(max(TICK_SECONDS, took / TICK_SHARE))
            began = time.thread_time()  # not the time of day, in which a busy machine does other things
            with self._lock:
                now = time.monotonic()
                self._eyes = {pk: eye for pk, eye in self._eyes.items() if now - eye.since < KEPT_SECONDS}
                if not self._eyes:
                    self._thread = None
                    return
                eyes = dict(self._eyes)
            self._hint_looks(eyes)
            took = time.thread_time() - began

    def _hint_looks(self, eyes: Mapping[int, _Eye]) -> None:
        now = time.monotonic()
        if now - self._asked_at >= ASKED_SECONDS:
            self._watched, self._asked_at = watched_among({eye.account for eye in eyes.values()}), now
        watched = {pk: eye for pk, eye in eyes.items() if eye.account in self._watched}
        rest = max(REST_SECONDS, sum(eye.rest for eye in watched.values()))
        for pk, eye in watched.items():
            if now - eye.since >= rest and eye.news.is_there:
                with self._lock:
                    if self._eyes.get(pk) is eye:
                        del self._eyes[pk]
                hint(LOOK, pk)


file_watch = FileWatch()
