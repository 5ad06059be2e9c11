"""Requests to the gateway's application in this process, where a test has a say over its limits and over the caller."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from asgiref.sync import async_to_sync
from django.db import connection
from psycopg_pool import ConnectionPool

from launches.gateway.application import Gateway

Message = dict[str, Any]


class Answer:
    """What the ASGI application sent."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""

    async def take(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        self.headers |= dict(message.get("headers", ()))
        self.body += message.get("body", b"")

    @property
    def code(self) -> int:
        """The number in the google.rpc.Status body."""
        body = json.loads(self.body)
        assert set(body) == {"code", "message", "details"}
        return int(body["code"])


def sending(*pieces: bytes) -> Callable[[], Awaitable[Message]]:
    """A caller who sends a body in these pieces and stays until the answer is whole."""
    messages: asyncio.Queue[Message] = asyncio.Queue()
    for number, piece in enumerate(pieces, 1):
        messages.put_nowait({"type": "http.request", "body": piece, "more_body": number < len(pieces)})
    return messages.get


async def ask(
    gateway: Gateway,
    path: str,
    secret: str = "",
    *,
    method: str = "GET",
    bearer: bool = False,
    fields: Sequence[tuple[bytes, bytes]] = (),
    receive: Callable[[], Awaitable[Message]] | None = None,
    take: Callable[[Any], Awaitable[None]] | None = None,
) -> Answer:
    """One request, without a body unless `receive` brings one; `take` is a caller who reads in a way of their own."""
    answer = Answer()
    key = (b"authorization", f"Bearer {secret}".encode()) if bearer else (b"x-api-key", secret.encode())
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [*fields, key] if secret else [*fields],
    }
    await gateway(scope, receive or sending(b""), take or answer.take)
    return answer


def asked(path: str, secret: str = "", **options: Any) -> Answer:
    """The answer of a gateway that remembers nothing yet."""

    async def test() -> Answer:
        return await ask(Gateway(), path, secret, **options)

    return async_to_sync(test)()


@contextmanager
def exhausted_database() -> Iterator[None]:
    """This process has no connection to the database left, and waits for one only shortly."""
    pool: ConnectionPool[Any] = connection.pool  # type: ignore[attr-defined]
    patience, pool.timeout = pool.timeout, 0.1
    connection.close()
    held = [pool.getconn(patience) for _ in range(pool.max_size)]
    try:
        yield
    finally:
        for each in held:
            pool.putconn(each)
        pool.timeout = patience
