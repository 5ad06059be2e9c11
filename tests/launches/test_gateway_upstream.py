"""One connection to a trainer: an answer that came is never lost in a pipe that broke."""

from __future__ import annotations

import asyncio
import socket

import h11

from launches.gateway.upstream import Upstream

ANSWER = b"HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 9\r\n\r\ntoo large"
PATIENCE = 60


def test_an_answer_that_came_before_the_connection_broke_is_read() -> None:
    async def run() -> tuple[h11.Event, h11.Event]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            loop = asyncio.get_running_loop()
            _, upstream = await loop.create_connection(Upstream, *listener.getsockname())
            trainer, _ = listener.accept()
        fields = [("host", "trainer.test"), ("content-length", "1000000")]
        await upstream.send(h11.Request(method="POST", target="/x", headers=fields))
        trainer.sendall(ANSWER)
        trainer.close()  # with the request unread, which resets the connection: the next write fails
        await upstream.send(h11.Data(data=b"x" * 1000))
        async with asyncio.timeout(PATIENCE):
            return await upstream.receive(), await upstream.receive()

    response, data = asyncio.run(run())
    assert isinstance(response, h11.Response)
    assert isinstance(data, h11.Data)
    assert (response.status_code, bytes(data.data)) == (413, b"too large")
