"""A trainer that does nothing as fast as it can: it reads each body and answers; retrieve_future it holds for ever.

python -m benchmarks.bare_trainer     prints its port, ends when its standard input does
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

ANSWER = b'{"request_id": "1", "model_id": "m"}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER)


class BareTrainer(asyncio.Protocol):
    """One connection; knows just enough HTTP for bodies with a length."""

    def __init__(self) -> None:
        self._head = b""
        self._left = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._left < 0:
            self._head += data
            head, end, rest = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            self._left, data = int(length or 0), rest
        self._left -= len(data)
        if self._left == 0:
            held = b"retrieve_future" in self._head.partition(b"\r\n")[0]
            self._left, self._head = -1, b""
            if not held:
                self._transport.write(HEAD + ANSWER)


async def main() -> None:
    """Serve until standard input ends."""
    server = await asyncio.get_running_loop().create_server(BareTrainer, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
