"""An ASGI application that sends the file BARE_FILE, whoever asks for what, in pieces as large as a download's."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

from downloads.contents import CHUNK_BYTES


async def application(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[dict[str, Any]], Awaitable[None]]
) -> None:
    """Send it."""
    del scope, receive
    with open(os.environ["BARE_FILE"], "rb") as file:  # noqa: PTH123 -- that it does nothing else is the point
        size = os.fstat(file.fileno()).st_size
        headers = [(b"content-length", str(size).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while piece := file.read(CHUNK_BYTES):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
