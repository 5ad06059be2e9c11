"""Bulkheads: places for what one kind of request may do at once, and a line of bounded length in front of them.

What comes when all places and the whole line are taken is refused at once, and who waits too long, too: an answer that
comes later than anybody waits for it costs as much as one in time, and keeps others waiting.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Generic, TypeVar

from django.db import connection

from queues.turns import Turns, end_turn

Who = TypeVar("Who")
Answer = TypeVar("Answer")


class Arrival(Enum):
    """What becomes of somebody who comes."""

    SERVED = auto()
    WAITS = auto()
    REFUSED = auto()


@dataclass
class Places(Generic[Who]):
    """Who is served and who waits, first come, first served. Pure: it knows no clock and no event loop."""

    at_once: int
    most_waiting: int
    taken: int = 0
    line: deque[Who] = field(default_factory=deque)

    def take_now(self) -> bool:
        """Take a place where one is free; whether it was."""
        is_free = self.taken < self.at_once
        self.taken += is_free
        return is_free

    def arrive(self, who: Who) -> Arrival:
        """A place where there is one, else the end of the line where that has room."""
        if self.take_now():
            return Arrival.SERVED
        if len(self.line) < self.most_waiting:
            self.line.append(who)
            return Arrival.WAITS
        return Arrival.REFUSED

    def leave(self) -> Who | None:
        """Give a place back; who has it now, if somebody waited."""
        if self.line:
            return self.line.popleft()
        self.taken -= 1
        return None

    def give_up(self, who: Who) -> bool:
        """Leave the line; False where they stand in it no more, because they were given a place."""
        if who not in self.line:
            return False
        self.line.remove(who)
        return True


class Crowded(Exception):
    """There is no place, and none is to be waited for."""


class Bulkhead:
    """The places of one kind of request in this process, waited for no longer than `longest_wait` seconds.

    For the event loop's thread alone.
    """

    def __init__(self, at_once: int, most_waiting: int, *, longest_wait: float) -> None:
        self._places: Places[asyncio.Future[None]] = Places(at_once, most_waiting)
        self._longest_wait = longest_wait

    def enter_now(self) -> bool:
        """Take a place where one is free; whether it was."""
        return self._places.take_now()

    async def enter(self) -> None:
        """Take a place, as soon as there is one. Errors: `Crowded`. Whoever stops waiting takes none."""
        turn = asyncio.get_running_loop().create_future()
        arrival = self._places.arrive(turn)
        if arrival is Arrival.REFUSED:
            raise Crowded
        if arrival is Arrival.SERVED:
            return
        try:
            async with asyncio.timeout(self._longest_wait):
                await turn
        except BaseException as error:
            if not self._places.give_up(turn):  # the place came in the same moment
                self.leave()
            if isinstance(error, TimeoutError):
                raise Crowded from None
            raise

    def leave(self) -> None:
        """Give the place to who waits longest."""
        turn = self._places.leave()
        if turn is not None and not turn.done():  # one that is cancelled passes the place on when it hears of that
            turn.set_result(None)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place for the duration of the block. Errors: `Crowded`."""
        await self.enter()
        try:
            yield
        finally:
            self.leave()


class HeldPlace:
    """The place of one request, which can be given back before that is over.

    Where there are `turns` its thread takes one to compute.
    """

    def __init__(self, bulkhead: Bulkhead, turns: Turns | None = None) -> None:
        self._bulkhead = bulkhead
        self.turns = turns
        self._loop = asyncio.get_running_loop()
        self._is_held = False

    def take_now(self) -> bool:
        """Take one where one is free; whether it was."""
        self._is_held = self._bulkhead.enter_now()
        return self._is_held

    async def take(self) -> None:
        """Take one, or wait for it. Errors: `Crowded`."""
        await self._bulkhead.enter()
        self._is_held = True

    def give_back(self) -> None:
        """Once and not again, however often it is said."""
        if self._is_held:
            self._is_held = False
            self._bulkhead.leave()

    def wait_for(self, asked: Coroutine[Any, Any, Answer]) -> Answer:
        """What the event loop of the request answers. From the request's thread, which waits for it."""
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()

    def give_back_soon(self) -> None:
        """The same from any thread."""
        self._loop.call_soon_threadsafe(self.give_back)


held_place: ContextVar[HeldPlace | None] = ContextVar("held_place", default=None)
"""Of the request that is being served, in its threads, too."""


def computing() -> AbstractContextManager[None]:
    """The request's turn at computing, for the block; without one where its kind takes none."""
    place = held_place.get()
    return place.turns.taken() if place and place.turns else nullcontext()


def step_aside() -> None:
    """Give the request's place, turn and connection back: it is about to wait for another machine, and needs none."""
    end_turn()
    if (place := held_place.get()) is not None:
        place.give_back_soon()
    if not connection.in_atomic_block:
        connection.close()


def wait_for(asked: Coroutine[Any, Any, Answer]) -> Answer:
    """What comes of it in the event loop that serves the request, or in one of its own where none does.

    One of its own ends once all threads that looked up names for it have, and so not within the time that it was given.
    """
    place = held_place.get()
    return asyncio.run(asked) if place is None else place.wait_for(asked)
