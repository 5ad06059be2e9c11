"""`/events`: tells a browser which launches of an account changed, as server-sent events.

A plain ASGI app beside Django, because a Django view would hold a thread, and a database connection, for as long as
the stream is open. Authentication happens in one short database scope; after that the stream costs one coroutine.

    event: hello   the stream is on; refetch, for something may have changed while it was off
    event: wake    data: {"launch": uid, "sequence": n, "state": "RUNNING"}

There is no cursor to resume from: pages render from the database, so a client that refetches at every hello has no gap.
Who names a launch (`?account=ID&launch=UID`) is told of that one before all others are.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from http.cookies import SimpleCookie
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs

import redis.asyncio as redis
import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.db import connections
from django.http import HttpRequest
from redis.exceptions import RedisError

from accounts.demanded_factor import demands_second_factor, had_second_factor
from accounts.models import Account, User
from accounts.queries import memberships_of, role_in
from api.outages import RETRY_SECONDS, UNASKABLE
from launches.live.ring import LOOKING_SHARE, OTHERS_SHARE, Listener, Ring
from launches.live.wake import CHANNEL_PREFIX, WATCHED_PREFIX, WATCHED_SECONDS
from queues.bulkheads import Bulkhead, Crowded
from wire.names import is_id
from wire.status import Code

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = structlog.get_logger(__name__)
HEARTBEAT_SECONDS = 15
LONGEST_STREAM_SECONDS = 600
"""After this the stream ends; the browser reconnects and is checked again, so a removed member stops seeing wakes."""
MOST_WAITING, LONGEST_WAIT_SECONDS = 4096, 30.0
"""Of streams that are to be let in."""
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


class Hub:
    """One broker subscription for all streams of this process."""

    def __init__(self) -> None:
        self._listeners: dict[int, set[Listener]] = {}
        self._pump: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def listen(self, account_pk: int, launch: str = "") -> Any:
        """A listener for the account's launches, of which it looks at one, for the duration of the block."""
        if self._pump is None or self._pump.done():
            self._came, self._looking, self._others = asyncio.Event(), Ring(LOOKING_SHARE), Ring(OTHERS_SHARE)
            self._pump = asyncio.create_task(self._run())
        listener = Listener(launch)
        if account_pk not in self._listeners:
            self._came.set()
        self._listeners.setdefault(account_pk, set()).add(listener)
        try:
            yield listener
        finally:
            self._listeners[account_pk].discard(listener)
            if not self._listeners[account_pk]:
                del self._listeners[account_pk]

    async def _run(self) -> None:
        # No task group: that cancels its tasks once, and the broker's client may swallow a cancellation.
        always = (self._forward_always, self._tell_who_is_watched, self._show_life, self._looking.run, self._others.run)
        await asyncio.gather(*(run() for run in always))

    async def _show_life(self) -> None:
        """So that nobody on the way takes a stream for dead."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            for group in self._listeners.values():
                self._others.add(group)

    async def _forward_always(self) -> None:
        while True:
            try:
                await self._forward()
            except (RedisError, OSError) as error:
                log.warning("stream.broker_lost", error=str(error))
                await asyncio.sleep(1)

    async def _tell_who_is_watched(self) -> None:
        """So that workers look at once at what has news."""
        async with redis.Redis.from_url(settings.REDIS_URL) as broker:
            while True:
                self._came.clear()
                try:
                    async with broker.pipeline(transaction=False) as told:
                        for account_pk in self._listeners:
                            told.set(f"{WATCHED_PREFIX}{account_pk}", 1, ex=WATCHED_SECONDS)
                        await told.execute()
                except Exception as error:  # or a second pump would begin beside the one that goes on
                    log.warning("stream.watched_untold", error=repr(error))
                    await asyncio.sleep(1)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(WATCHED_SECONDS / 3):
                        await self._came.wait()

    async def _forward(self) -> None:
        async with redis.Redis.from_url(settings.REDIS_URL, decode_responses=True) as broker, broker.pubsub() as pubsub:
            await pubsub.psubscribe(f"{CHANNEL_PREFIX}*")
            async for message in pubsub.listen():
                if message["type"] == "psubscribe":  # from here on nothing is missed
                    self._greet_all()
                elif message["type"] == "pmessage":
                    self._dispatch(message["channel"], message["data"])

    def _greet_all(self) -> None:
        for group in self._listeners.values():
            for listener in group:
                listener.greet_again()
            self._others.add(group)

    def _dispatch(self, channel: str, data: str) -> None:
        launch = json.loads(data)["launch"]
        group = self._listeners.get(int(channel.removeprefix(CHANNEL_PREFIX)), set())
        for listener in group:
            listener.tell(launch, data)
        looking = {each for each in group if each.launch == launch}
        self._looking.add(looking)
        self._others.add(group - looking)


hub = Hub()


@cache
def _bulkhead() -> Bulkhead:
    """All tabs come back at the same moment after a restart: they are let in one by one."""
    return Bulkhead(settings.SLIPWAY_STREAMS_AT_ONCE, MOST_WAITING, longest_wait=LONGEST_WAIT_SECONDS)


async def events(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application. 401 without a session or the second factor that a role demands, 404 for an
    account that the user is not a member of.

    503 while the database cannot be asked for either.
    """
    try:
        async with _bulkhead().place():
            status, account_pk = await _authenticate(scope)
    except Crowded:
        status, account_pk = Code.UNAVAILABLE.http_status, None
    if account_pk is None:
        await _refuse(send, status)
        return
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    with hub.listen(account_pk, _asked(scope, "launch")) as listener:
        sender = asyncio.create_task(_send_all(listener, send))
        gone = asyncio.create_task(_until_gone(receive))
        _, unfinished = await asyncio.wait({sender, gone}, return_when=asyncio.FIRST_COMPLETED)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
    with contextlib.suppress(Exception):  # the client may be gone: there is nobody left to tell
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_all(listener: Listener, send: Send) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LONGEST_STREAM_SECONDS):
            while True:
                await listener.changed.wait()
                await send({"type": "http.response.body", "body": listener.take().encode(), "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send, status: int) -> None:
    fields, sentence = [(b"content-type", b"text/plain")], b"Sign in and name an account of yours.\n"
    if status == Code.UNAVAILABLE.http_status:
        fields.append((b"retry-after", str(RETRY_SECONDS).encode()))
        sentence = b"Slipway cannot ask its database.\n"
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": sentence})


@sync_to_async(thread_sensitive=False)
def _authenticate(scope: Scope) -> tuple[int, int | None]:
    """(status, key of the account): one short scope, after which no connection is held."""
    try:
        request = HttpRequest()
        engine = import_module(settings.SESSION_ENGINE)
        request.session = engine.SessionStore(_session_key(scope))
        user = get_user(request)
        if not isinstance(user, User):
            return 401, None
        if _lacks_second_factor(request, user):
            return 401, None
        wanted = _asked(scope, "account")
        account = Account.objects.filter(account_id=wanted).first() if is_id(wanted) else None
        if account is None or role_in(user, account) is None:
            return 404, None
        return 200, account.pk
    except UNASKABLE as error:
        log.warning("stream.database_lost", error=str(error))
        return Code.UNAVAILABLE.http_status, None
    finally:
        connections.close_all()


def _lacks_second_factor(request: HttpRequest, user: User) -> bool:
    if not settings.SLIPWAY_MFA_ROLES or had_second_factor(request.session, user):
        return False
    return demands_second_factor(user, memberships_of(user))


def _asked(scope: Scope, name: str) -> str:
    found: list[str] = parse_qs(scope["query_string"].decode("latin-1")).get(name, [""])
    return found[0]


def _session_key(scope: Scope) -> str | None:
    cookies = SimpleCookie()
    for name, value in scope["headers"]:
        if name == b"cookie":
            with contextlib.suppress(Exception):  # a cookie that cannot be read is no cookie
                cookies.load(value.decode("latin-1"))
    found = cookies.get(settings.SESSION_COOKIE_NAME)
    return found.value if found else None
