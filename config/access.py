"""One line of the log for every request: who asked for what, what came of it, and how long it took.

It stands in front of everything, so that the gateway and the event stream have their lines, too. No query string and
no field but User-Agent is in it; secrets in paths are hidden with those of every other line (`config.logs`).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog
from django.http import HttpRequest

from accounts.origins import origin_in

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]
REQUEST_ID = "slipway.request_id"
_HUNG_UP = 0
"""Stands for a status where nothing was answered."""
_LONGEST_PATH = 500

log = structlog.get_logger("access")


def logged(application: Application) -> Application:
    """The ASGI application, with a line for each of its requests once it is over."""

    async def front(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        identifier, began, status, sent = uuid.uuid4().hex, time.perf_counter(), _HUNG_UP, 0

        async def watched(message: Message) -> None:
            nonlocal status, sent
            status = message.get("status", status)
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await application({**scope, REQUEST_ID: identifier}, receive, watched)
        finally:
            origin = origin_in(scope)
            log.info(
                "request",
                request_id=identifier,
                address=origin.address,
                method=scope["method"],
                path=_plain(scope["path"]),
                status=status,
                bytes=sent,
                ms=round((time.perf_counter() - began) * 1000, 1),
                agent=origin.agent,
            )

    return front


def request_id_of(request: HttpRequest) -> str:
    """The id that the request's line has; a new one where it came through no such application."""
    return getattr(request, "scope", {}).get(REQUEST_ID) or uuid.uuid4().hex


def _plain(path: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in path[:_LONGEST_PATH])
