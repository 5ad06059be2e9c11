"""Bound what a request may carry, in front of Django, which would keep any body on disk before a view is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.http import HttpRequest

MAX_BODY = 8 * 1024 * 1024
"""Twice the largest file that is taken, a catalog file."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]
_TOO_LARGE = "slipway.too_large"


class _TooLarge(Exception):
    """More came than the limit."""


def bounded(application: Application) -> Application:
    """The ASGI application, given only bodies within the limit; of others it is told as they come in."""

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
        try:
            if announced.isdigit() and int(announced[:20]) > MAX_BODY:
                raise _TooLarge
            await application(scope, counted, send)
        except _TooLarge:
            await application({**scope, _TOO_LARGE: True}, _without_body(receive), send)

    return front


def is_too_large(request: HttpRequest) -> bool:
    """Whether this stands for a request whose body was over the limit."""
    return _TOO_LARGE in getattr(request, "scope", {})


def _without_body(receive: Receive) -> Receive:
    """The connection as if nothing had been sent: whatever still comes is thrown away."""
    began = False

    async def remaining() -> Message:
        nonlocal began
        if not began:
            began = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while (message := await receive())["type"] != "http.disconnect":
            pass
        return message

    return remaining
