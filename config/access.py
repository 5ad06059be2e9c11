"""One line of the log for every request: who asked for what, what came of it, and how long it took.

It stands in front of everything, so that the gateway and the event stream have their lines, too, are counted for
`/metrics`, and are traced where that is on. No query string and no field but User-Agent is in it; secrets in paths are
hidden with those of every other line (`config.logs`).
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog
from django.http import HttpRequest

from accounts.origins import origin_in
from config.counts import counted, door_of, note_request
from config.tracing import note_answer, request_span

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]
REQUEST_ID = "slipway.request_id"
_FIELD = b"x-request-id"
_WELL_FORMED = re.compile(rb"[0-9A-Za-z-]{8,64}")
"""What is taken over of what a caller or a proxy calls its request: nothing that could be a key of ours, or a line."""
_HUNG_UP = 0
"""Stands for a status where nothing was answered."""
_LONGEST_PATH = 500

log = structlog.get_logger("access")


def logged(application: Application) -> Application:
    """The ASGI application, with a line for each of its requests once it is over, and its id in each answer."""

    async def front(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        identifier, began, status, sent = _identifier(scope), time.perf_counter(), _HUNG_UP, 0
        door = door_of(scope["path"])

        async def watched(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                others = [field for field in message.get("headers", ()) if field[0].lower() != _FIELD]
                message = {**message, "headers": [*others, (_FIELD, identifier.encode())]}
            sent += len(message.get("body", b""))
            await send(message)

        with counted(door), request_span(scope["method"], door, scope["headers"]) as span:
            try:
                await application({**scope, REQUEST_ID: identifier}, receive, watched)
            finally:
                seconds, origin = time.perf_counter() - began, origin_in(scope)
                note_request(door, status, seconds)
                note_answer(span, {"http.response.status_code": status, "slipway.request_id": identifier})
                log.info(
                    "request",
                    request_id=identifier,
                    address=origin.address,
                    method=scope["method"],
                    path=_plain(scope["path"]),
                    status=status,
                    bytes=sent,
                    ms=round(seconds * 1000, 1),
                    agent=origin.agent,
                )

    return front


def request_id_of(request: HttpRequest) -> str:
    """The id that the request's line has; a new one where it came through no such application."""
    return getattr(request, "scope", {}).get(REQUEST_ID) or uuid.uuid4().hex


def _identifier(scope: Message) -> str:
    """What the caller calls the request, where that is well-formed, else a new id."""
    given: list[bytes] = [value for name, value in scope["headers"] if name.lower() == _FIELD]
    return given[0].decode() if len(given) == 1 and _WELL_FORMED.fullmatch(given[0]) else uuid.uuid4().hex


def _plain(path: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in path[:_LONGEST_PATH])
