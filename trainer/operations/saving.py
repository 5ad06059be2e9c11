"""Writes checkpoints in a thread of its own, one at a time, while training goes on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from trainer.ranks.group import Group
from trainer.work import Answer, Later


class Saving:
    """`group` is how the threads that write on each rank talk with each other, while the ranks do otherwise."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="saving")
        self._last: Future[Answer] | None = None
        self._copied, self._peak_before = 0, 0

    def wait(self) -> None:
        """Until what was begun is written, or could not be; whoever asked for that is told."""
        if self._last is not None:
            wait([self._last])
            self._last = None

    def note_copy(self, size: int, peak: int) -> None:
        """So many bytes were copied; the peak was that before."""
        if size > self._copied:
            self._copied, self._peak_before = size, peak

    def copies_in(self, peak: int) -> int:
        """How much of a peak of the process are copies, at most."""
        return max(0, min(self._copied, peak - self._peak_before))

    def start(self, write: Callable[[], Answer]) -> Later:
        """Begin to write once what was begun before is written; the answer is there when all of it is on the disk."""
        self.wait()
        self._last = self._executor.submit(write)
        return Later(self._last)
