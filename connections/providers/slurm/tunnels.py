"""A connection through a login node, by its ssh: an open channel there, and one end of a pair of sockets here."""

from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import suppress
from typing import Any

import asyncssh

PIECE = 65536


async def open_tunnel(
    connection: asyncssh.SSHClientConnection, host: str, port: int
) -> tuple[socket.socket, asyncio.Task[None]]:
    """Our end, and what passes on between both as long as they are open. Errors: `OSError` where nobody answers."""
    try:
        far = await connection.open_connection(host, port, encoding=None)
    except asyncssh.ChannelOpenError as error:
        raise OSError(errno.EHOSTUNREACH, f"The login node does not reach {host}:{port}: {error.reason}") from None
    ours, theirs = socket.socketpair()
    near = await asyncio.open_connection(sock=theirs)
    return ours, asyncio.create_task(_pass_on(far, near))


async def _pass_on(far: tuple[Any, Any], near: tuple[Any, Any]) -> None:
    """Until our end is closed: nobody closes half of it."""
    back = asyncio.create_task(_one_way(far[0], near[1]))
    try:
        await _one_way(near[0], far[1])
    finally:
        back.cancel()
        far[1].close()
        near[1].close()


async def _one_way(source: Any, target: Any) -> None:
    with suppress(OSError, asyncssh.Error):
        while piece := await source.read(PIECE):
            target.write(piece)
            await target.drain()
    with suppress(OSError, asyncssh.Error):
        target.write_eof()
