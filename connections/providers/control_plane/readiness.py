"""Which trainers answer. Asked of those that are not known to be ready, and of a few of the others at a time.

So a thousand that run cost no thousand requests a look, and one that falls silent is still found out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

from connections.providers.attempts import Reference

LOOK_SECONDS = 12.0
AGAIN_AT_A_TIME = 4
AGAIN_SECONDS = 30.0
AT_ONCE = 16
MOST_KNOWN = 20_000
Known: TypeAlias = Mapping[Reference, tuple[bool, float]]
"""By attempt whether its trainer answered when it was last asked, and when that was (monotonic seconds)."""
_NEVER = (False, 0.0)


@dataclass
class Readiness:
    """What was found out. Safe for threads."""

    _known: dict[Reference, tuple[bool, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def look(self, paths: Mapping[Reference, str], ask: Callable[[str], bool | None]) -> Mapping[Reference, bool]:
        """Which of them answer at their path; those that were never asked, and not now, are left out."""
        with self._lock:
            chosen = choose(paths, self._known, time.monotonic())
        until = time.monotonic() + LOOK_SECONDS

        def look_at(reference: Reference) -> None:
            if time.monotonic() < until:
                self._note(reference, ask(paths[reference]))

        with ThreadPoolExecutor(max_workers=min(AT_ONCE, max(1, len(chosen)))) as pool:
            list(pool.map(look_at, chosen))
        with self._lock:
            while len(self._known) > MOST_KNOWN:
                del self._known[next(iter(self._known))]
            return {reference: self._known[reference][0] for reference in paths if reference in self._known}

    def recall(self, answered: Collection[Reference]) -> None:
        """Those of which nothing is known answered once; they are asked again in turns, like all others that did."""
        once = (True, time.monotonic() - AGAIN_SECONDS)
        with self._lock:
            for reference in answered:
                self._known.setdefault(reference, once)

    def _note(self, reference: Reference, answer: bool | None) -> None:
        with self._lock:
            before, _ = self._known.pop(reference, _NEVER)
            self._known[reference] = (before if answer is None else answer, time.monotonic())

    def forget(self, references: Iterable[Reference]) -> None:
        """They do not run: what comes after is another trainer."""
        with self._lock:
            for reference in references:
                self._known.pop(reference, None)


def choose(running: Iterable[Reference], known: Known, now: float) -> list[Reference]:
    """Whom to ask: those that did not answer yet, and of the others a few that were asked the longest ago. Pure."""
    longest_ago = sorted(running, key=lambda reference: known.get(reference, _NEVER)[1])
    silent = [reference for reference in longest_ago if not known.get(reference, _NEVER)[0]]
    answered = [
        reference
        for reference in longest_ago
        if known.get(reference, _NEVER)[0] and now - known[reference][1] >= AGAIN_SECONDS
    ]
    return [*silent, *answered[:AGAIN_AT_A_TIME]]
