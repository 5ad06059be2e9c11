"""Bound what a request may carry, in front of Django, which would keep any body on disk before a view is asked."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from wire.status import Code, status_body

MAX_BODY = 8 * 1024 * 1024
"""Twice the largest file that is taken, a catalog file."""
SENTENCE = f"The request is larger than {MAX_BODY // 1024**2} MiB, the limit. Send less."

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class _TooLarge(Exception):
    """More came than the limit."""


def bounded(application: Application) -> Application:
    """The ASGI application, asked only with bodies within the limit; others are answered with 413 as they come in."""

    async def front(scope: Message, receive: Receive, send: Send) -> None:
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > MAX_BODY:
                raise _TooLarge
            return message

        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if announced.isdigit() and int(announced[:20]) > MAX_BODY:
            await _refuse(send)
            return
        try:
            await application(scope, counted, send)
        except _TooLarge:
            await _refuse(send)

    return front


async def _refuse(send: Send) -> None:
    body = json.dumps(status_body(Code.INVALID_ARGUMENT, SENTENCE)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    status = int(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
