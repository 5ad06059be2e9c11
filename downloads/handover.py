"""The bytes of a download are sent in front of Django, once Django is done with the request.

A view decides about a download as about anything else: who asks, what for, which part of it. Sent from inside Django it
would hold a thread and a connection to the database until a slow reader has all of it. So the view leaves the bytes
with the request (`leave`), and what stands here sends them when all of that is given back: read in a few threads of
their own, piece by piece, and no faster than the caller takes them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import structlog
from django.http import HttpRequest

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

MOST_OPEN = 64
"""Downloads in progress in this process. For a caller who takes nothing the server holds a dozen pieces of each."""
READERS = 4
LONGEST_STALL_SECONDS = 120.0
"""How long a caller may take nothing of what is there."""
_KEY = "slipway.download"
_GIVEN = {200, 206}

log = structlog.get_logger(__name__)
_readers = ThreadPoolExecutor(READERS, thread_name_prefix="download")
_open = 0


@dataclass
class Handover:
    """What a view left to be sent behind its answer's head, and that head."""

    chunks: Iterator[bytes] | None = None
    head: Message | None = None


def is_full() -> bool:
    """Whether no further download should begin in this process."""
    return _open >= MOST_OPEN


def leave(request: HttpRequest, chunks: Iterator[bytes]) -> bool:
    """Leave it to be sent once Django is done; False where nothing stands in front that would."""
    handover = getattr(request, "scope", {}).get(_KEY)
    if handover is None:
        return False
    handover.chunks = chunks
    return True


def sending_downloads(application: Application) -> Application:
    """The ASGI application, behind whose answers what was left with them is sent."""

    async def front(scope: Message, receive: Receive, send: Send) -> None:
        handover = Handover()

        async def passed(message: Message) -> None:
            if handover.chunks is None:
                await send(message)
            elif message["type"] == "http.response.start":
                if message["status"] in _GIVEN:
                    handover.head = message
                else:  # something failed behind the view: that answer stands, and nothing is given away
                    _readers.submit(_close, handover.chunks)
                    handover.chunks = None
                    await send(message)

        await application({**scope, _KEY: handover}, receive, passed)
        if handover.chunks is not None and handover.head is not None:
            await _stream(handover.head, handover.chunks, receive, send)

    return front


async def _stream(head: Message, chunks: Iterator[bytes], receive: Receive, send: Send) -> None:
    """Send it all. An error that breaks it off is raised, so that the server closes the connection: the length that
    was announced is not reached, and no caller can take what came for the whole.
    """
    global _open
    _open += 1
    gone = asyncio.create_task(_until_gone(receive))
    try:
        chunk = await _next(chunks)
        await send(head)
        while chunk and not gone.done():
            async with asyncio.timeout(LONGEST_STALL_SECONDS):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            chunk = await _next(chunks)
        if not gone.done():
            await send({"type": "http.response.body", "body": b"", "more_body": False})
    except Exception as error:
        log.warning("download.broke_off", error=repr(error))
        raise
    finally:
        _open -= 1
        gone.cancel()
        _readers.submit(_close, chunks)


async def _next(chunks: Iterator[bytes]) -> bytes:
    return await asyncio.get_running_loop().run_in_executor(_readers, next, chunks, b"")


def _close(chunks: Any) -> None:
    with contextlib.suppress(ValueError):  # a thread is still reading for a caller who is gone: it closes when it ends
        chunks.close()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
