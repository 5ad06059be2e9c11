"""Turns at computing: of threads that wait for the database now and then, one at a time goes on.

Python computes in one thread of a process at a time, so who wakes waits for each that computes beside them: the event
loop, which answers everybody, and the API for every page that is being made. Where pages compute one after the other
they wait for one, and the pages take no longer together.

A turn is a courtesy and guards nothing: who has waited for a while goes on without one, and waits for none again, as
beside a page that waits for a disk.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Those of one kind of thread, waited for no longer than `longest_wait` seconds."""

    def __init__(self, *, longest_wait: float) -> None:
        self._lock = threading.Lock()
        self._longest_wait = longest_wait

    @contextmanager
    def taken(self) -> Iterator[None]:
        """A turn of this thread for the block, but for where it waits."""
        turn = _of_thread.turn = ThreadTurn(self._lock, self._longest_wait)
        turn.take()
        try:
            yield
        finally:
            end_turn()


class ThreadTurn:
    """That of one thread, and for it alone."""

    def __init__(self, lock: threading.Lock, longest_wait: float) -> None:
        self._lock = lock
        self._longest_wait = longest_wait
        self._waited_in_vain = False
        self.is_held = False

    def take(self) -> None:
        """Wait for it, but not where it is held, nor once that was in vain."""
        if not (self.is_held or self._waited_in_vain):
            self.is_held = self._lock.acquire(timeout=self._longest_wait)
            self._waited_in_vain = not self.is_held

    def give(self) -> None:
        """Let another thread go on, if this one has it."""
        if self.is_held:
            self.is_held = False
            self._lock.release()


class _OfThread(threading.local):
    turn: ThreadTurn | None = None


_of_thread = _OfThread()


def current_turn() -> ThreadTurn | None:
    """This thread's, held or not; None where it takes none."""
    return _of_thread.turn


def end_turn() -> None:
    """Give this thread's, if it has one, and take none any more."""
    if (turn := _of_thread.turn) is not None:
        _of_thread.turn = None
        turn.give()
