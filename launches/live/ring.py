"""Who has yet to be told what, and in which order and at which pace thousands are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from itertools import islice

PORTION = 50
"""Streams that are written to in one go, some 2 ms; what else the process serves comes in between."""
LOOKING_SHARE, OTHERS_SHARE = 0.5, 0.1
"""Of the event loop's time for telling those who look at what changed, and all others: of thousands these hear of it
within a second, of several changes at once, while pages are made that the former refetch."""
HELLO, STILL_HERE = "event: hello\ndata: {}\n\n", ": still here\n\n"


class Listener:
    """What one browser has yet to be told: at most one message a launch, however slowly it reads.

    `launch` is the one that it looks at, "" where that is none.
    """

    def __init__(self, launch: str = "") -> None:
        self.launch = launch
        self.pending: dict[str, str] = {}
        self.greet = True
        self.changed = asyncio.Event()
        self.changed.set()

    def tell(self, launch: str, message: str) -> None:
        """Replace what was pending for the launch; it is sent once `changed` is set."""
        self.pending[launch] = message

    def greet_again(self) -> None:
        """Messages may have been missed: let the client refetch. As `tell`."""
        self.greet = True

    def take(self) -> str:
        """Everything pending as one piece of the stream; where there is nothing, that the stream is still there."""
        self.changed.clear()
        messages, self.pending = list(self.pending.values()), {}
        greeting, self.greet = (HELLO if self.greet else ""), False
        return greeting + "".join(f"event: wake\ndata: {message}\n\n" for message in messages) or STILL_HERE


class Ring:
    """Wakes listeners in portions, in a share of the event loop's time; in the rests the process does other things."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._due: dict[Listener, None] = {}
        self._came = asyncio.Event()

    def add(self, listeners: Iterable[Listener]) -> None:
        """Each is woken in its turn, once, however often it is added until then."""
        self._due.update(dict.fromkeys(listeners))
        self._came.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._came.wait()
            self._came.clear()
            while self._due:
                began = time.thread_time()
                for listener in list(islice(self._due, PORTION)):
                    del self._due[listener]
                    listener.changed.set()
                await asyncio.sleep(0)  # in which they write
                await asyncio.sleep((time.thread_time() - began) * (1 / self._share - 1))
