"""One connection to a trainer: an answer that came is never lost in a pipe that broke, and TLS is for the name."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import h11
import pytest

from launches.gateway import pool
from launches.gateway.pool import Endpoint, Pool
from launches.gateway.upstream import Upstream
from tests.certificates import make_certificate

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


def test_where_an_endpoint_says_so_it_is_tls_for_the_name_and_for_who_is_believed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate = make_certificate("localhost", tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await writer.drain()
        writer.close()

    async def ask(host: str) -> h11.Event:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
        async with server, asyncio.timeout(PATIENCE):
            upstream = await Pool().open(Endpoint(host, server.sockets[0].getsockname()[1], tls=True))
            request = h11.Request(method="GET", target="/x", headers=[("host", "trainer.test")])
            await upstream.send(request, h11.EndOfMessage())
            return await upstream.receive()

    with pytest.raises(ssl.SSLCertVerificationError):
        asyncio.run(ask("localhost"))
    believing = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(pool, "_tls_context", lambda: believing)
    response = asyncio.run(ask("localhost"))
    assert isinstance(response, h11.Response)
    assert response.status_code == 413
    with pytest.raises(ssl.SSLCertVerificationError):
        asyncio.run(ask("127.0.0.1"))
