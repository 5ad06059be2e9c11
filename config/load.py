"""How much Django is asked at once, and what the rest is told, in front of it.

A view runs in a thread of its own and holds a connection to the database, of which a process has a few. So pages and
the API have places of their own (`queues.bulkheads`), and one cannot starve the other, nor the gateway, the event
streams and the health checks, which take none of them. And pages compute one after the other (`queues.turns`), so that
all others wait for one of them at most. A place is taken once the whole request has come, so that who
sends slowly holds none, and given back where the caller hangs up.

Who sends no session and no key is held to a number of requests for each address before that.

A refusal has to cost next to nothing: what Django says is kept, and sent with a request id of its own.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, MutableMapping
from enum import Enum
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, parse_cookie

from accounts.origins import origin_in, origin_of
from api.outages import RETRY_SECONDS
from config.access import REQUEST_ID
from config.address_limit import AddressLimit
from config.errors import PROGRAMS
from queues.bulkheads import Bulkhead, Crowded, HeldPlace, held_place
from queues.turns import Turns

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

_REFUSED = "slipway.refused"
_KEY_FIELDS = {b"x-api-key", b"authorization"}
LONGEST_WAIT_SECONDS = 0.2
"""For a turn at computing: several times as long as a page computes on a busy machine."""
PROBES = ("/healthz", "/readyz", "/statusz", "/metrics")


class Load(Enum):
    """Why a request is not served for now."""

    CROWDED = "crowded"
    TOO_MANY = "too many"


class _TooMany(Exception):
    """More came from one address than the limit; `seconds` until the next one is served."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@cache
def _strangers() -> AddressLimit:
    """Those of this process."""
    return AddressLimit(settings.SLIPWAY_ANONYMOUS_PER_MINUTE)


def admitted(application: Application) -> Application:
    """The ASGI application, asked no more at once than there are places."""
    pages, programs = (
        Bulkhead(at_once, settings.SLIPWAY_WAITING, longest_wait=settings.SLIPWAY_WAITING_SECONDS)
        for at_once in (settings.SLIPWAY_PAGES_AT_ONCE, settings.SLIPWAY_API_AT_ONCE)
    )
    # Only a connection of our pool (`config.postgres`) gives the turn of who waits for the database to another page.
    turns = Turns(longest_wait=LONGEST_WAIT_SECONDS) if settings.DATABASES["default"]["OPTIONS"].get("pool") else None
    refusals = _Refusals(application)

    async def front(scope: Message, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path in PROBES or path.startswith(settings.STATIC_URL):
            await application(scope, receive, send)
            return
        is_program = PROGRAMS.match(path) is not None
        place = HeldPlace(programs) if is_program else HeldPlace(pages, turns)
        is_whole = False

        async def read() -> Message:
            nonlocal is_whole
            message = await receive()
            if is_whole or message["type"] != "http.request" or message.get("more_body", False):
                return message
            is_whole = True
            if _is_stranger(scope, is_program=is_program) and (seconds := _seconds(scope)):
                raise _TooMany(seconds)
            return await _take(place, receive) or message

        held_place.set(place)
        try:
            await application(scope, read, send)
        except Crowded:
            await refusals.send(Load.CROWDED, scope, send, is_program=is_program)
        except _TooMany as much:
            await refusals.send(Load.TOO_MANY, scope, send, is_program=is_program, seconds=much.seconds)
        finally:
            place.give_back()

    return front


def _seconds(scope: Message) -> float:
    return _strangers().wait(origin_in(scope).address, time.monotonic())


async def _take(place: HeldPlace, receive: Receive) -> Message | None:
    """Take the place; what came instead where the caller hung up while waiting for it. Errors: `Crowded`."""
    if place.take_now():
        return None
    taking = asyncio.ensure_future(place.take())
    leaving = asyncio.ensure_future(receive())
    try:
        await asyncio.wait({taking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not taking.done():
            return leaving.result()
        taking.result()
        return None
    finally:
        taking.cancel()
        leaving.cancel()
        await asyncio.gather(taking, leaving, return_exceptions=True)


class _Refusals:
    """What Django answers to each kind of refusal, asked once for pages and once for programs."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._answers: dict[tuple[Load, bool], asyncio.Task[list[Message]]] = {}

    async def send(
        self, load: Load, scope: Message, send: Send, *, is_program: bool, seconds: float = RETRY_SECONDS
    ) -> None:
        """Answer the request in `scope`; the next one is welcome in so many seconds."""
        key = (load, is_program)
        if key not in self._answers:
            self._answers[key] = asyncio.create_task(self._ask(load, is_program=is_program))
        try:
            head, body = await asyncio.shield(self._answers[key])
        except Exception:
            self._answers.pop(key, None)
            raise
        own = {b"x-request-id": scope.get(REQUEST_ID, ""), b"retry-after": str(math.ceil(seconds))}
        kept = [field for field in head["headers"] if field[0].lower() not in own]
        await send({**head, "headers": [*kept, *((name, value.encode()) for name, value in own.items())]})
        await send({**body, "body": b"" if scope["method"] == "HEAD" else body["body"]})

    async def _ask(self, load: Load, *, is_program: bool) -> list[Message]:
        """Head and body of the answer to a request of nobody."""
        path = "/v1/" if is_program else "/"
        scheme = urlsplit(settings.SLIPWAY_URL).scheme
        asked: Message = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": scheme,
            "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "client": None,
            "server": None, "headers": [(b"host", b"localhost"), (b"x-forwarded-proto", scheme.encode())],
            _REFUSED: load,
        }  # fmt: skip
        came: list[Message] = []
        pieces = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Message:
            return next(pieces, None) or await asyncio.get_running_loop().create_future()

        async def keep(message: Message) -> None:
            came.append(message)

        await self._application(asked, receive, keep)
        head, body = came
        return [head, body]


def load_in(request: HttpRequest) -> Load | None:
    """Why this stands for a request that was refused; None where it is one that is served."""
    found: Load | None = getattr(request, "scope", {}).get(_REFUSED)
    return found


def seconds_to_wait(request: HttpRequest) -> float:
    """Count the request of a stranger who showed a session of nobody; seconds to wait, 0.0 where it is served."""
    return _strangers().wait(origin_of(request).address, time.monotonic())


def _is_stranger(scope: Message, *, is_program: bool) -> bool:
    """Whether nothing is shown by which somebody could be known, a key to the API or a session to the pages."""
    if is_program:
        return not any(name.lower() in _KEY_FIELDS for name, _ in scope["headers"])
    cookies = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"cookie"]
    return not any(settings.SESSION_COOKIE_NAME in parse_cookie(cookie) for cookie in cookies)
