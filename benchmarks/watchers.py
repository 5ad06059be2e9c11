"""Many open event streams that read and do nothing else: in a process of their own, so they cost who measures nothing.

python -m benchmarks.watchers ADDRESS PORT TARGET COUNT     the cookie comes on standard input, one line

Prints "open" once all were greeted, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from contextlib import suppress
from functools import partial

TOGETHER = 100
"""Streams that are opened at a time, like the tabs of people who come in one after the other."""
GREETED = b"event: hello"
SPARE_FILES = 100


class Watcher(asyncio.Protocol):
    """One stream."""

    def __init__(self, request: bytes, greeted: asyncio.Future[None]) -> None:
        self._request = request
        self._greeted = greeted
        self._start = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._greeted.done():
            return
        self._start += data
        if GREETED in self._start:
            self._greeted.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._greeted.done():
            refused = self._start.partition(b"\r\n")[0].decode("latin-1")
            self._greeted.set_exception(ConnectionError(f"A stream ended with {refused or exc!r}."))


async def main(address: str, port: int, target: str, count: int) -> None:
    """Watch until standard input ends. Errors: `OSError` where a stream is refused."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, count + SPARE_FILES), most))
    loop = asyncio.get_running_loop()
    cookie = sys.stdin.readline().strip()
    request = f"GET {target} HTTP/1.1\r\nHost: {address}:{port}\r\nCookie: {cookie}\r\n\r\n".encode()
    opened = 0
    while opened < count:
        batch = [loop.create_future() for _ in range(min(TOGETHER, count - opened))]
        for greeted in batch:
            await loop.create_connection(partial(Watcher, request, greeted), address, port)
        await asyncio.gather(*batch)
        opened += len(batch)
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
