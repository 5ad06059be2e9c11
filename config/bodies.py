"""Look at bodies in front of Django, which would keep any on disk before a view is asked, and answers none cut off."""

from __future__ import annotations

import asyncio
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


_CUT_OFF = "slipway.cut_off"


class _TooLarge(Exception):
    """More came than the limit."""


class _CutOff(Exception):
    """No more comes, and what came is not all."""


def bounded(application: Application) -> Application:
    """The ASGI application, given only whole bodies within the limit; of others it is told as they come in."""

    async def front(scope: Message, receive: Receive, send: Send) -> None:
        came, whole = 0, False

        async def counted() -> Message:
            nonlocal came, whole
            message = await receive()
            if message["type"] == "http.disconnect" and not whole:
                raise _CutOff
            whole = whole or not message.get("more_body", False)
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
        except _CutOff:  # to a caller who hung up, which looks the same, nothing is lost by an answer
            await application({**scope, _CUT_OFF: True}, _without_body(_nothing_more), send)

    return front


def is_too_large(request: HttpRequest) -> bool:
    """Whether this stands for a request whose body was over the limit."""
    return _TOO_LARGE in getattr(request, "scope", {})


def is_cut_off(request: HttpRequest) -> bool:
    """Whether this stands for a request whose body broke off."""
    return _CUT_OFF in getattr(request, "scope", {})


async def _nothing_more() -> Message:
    return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]


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
