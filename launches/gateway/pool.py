"""The connections to trainers: opened quickly or not at all, kept for a while, never more than so many idle ones."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections import deque
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address

from django.conf import settings

from connections.providers.control_plane.transport import may_connect
from connections.providers.errors import ProviderError
from connections.providers.optional import Dial
from launches.gateway.upstream import Upstream

CONNECT_SECONDS = 3.0
IDLE_SECONDS = 30.0
"""Shorter than the trainers keep theirs (75 s), so that they seldom close one just as we use it."""
MOST_IDLE = 64
"""Idle connections to one trainer."""


@dataclass(frozen=True)
class Endpoint:
    """Where a trainer listens, or what passes on to it; `path` stands before the trainer's own.

    `is_own` says that a trainer of ours listens there, where a provider of ours put it; else only public addresses and
    those of SLIPWAY_CONNECTION_NETWORKS are connected to. `dial` connects where the connection alone reaches it.
    """

    host: str
    port: int
    tls: bool = False
    path: bytes = b""
    is_own: bool = True
    dial: Dial | None = None

    @property
    def origin(self) -> bytes:
        """Scheme, host and port."""
        return (b"https://" if self.tls else b"http://") + self.host_field

    @property
    def host_field(self) -> bytes:
        """The value of Host."""
        return f"[{self.host}]:{self.port}".encode() if ":" in self.host else f"{self.host}:{self.port}".encode()


@cache
def _tls_context() -> ssl.SSLContext:
    """What the machine trusts, names checked; made once, since reading the certificates takes a while."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _allowed_address(endpoint: Endpoint) -> str:
    """The address that is connected to, looked up once. Errors: `OSError` where there is none that may be."""
    found = await asyncio.get_running_loop().getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    for _, _, _, _, place in found:
        address = str(place[0]).partition("%")[0]
        if may_connect(ip_address(address), settings.SLIPWAY_CONNECTION_NETWORKS):
            return address
    raise OSError(f"{endpoint.host} is where connections may not go.")


async def _through_tunnel(dial: Dial, endpoint: Endpoint) -> Upstream:
    """It lasts as long as the connection; the tunnel has a limit of time of its own. Errors: `OSError`."""
    try:
        sock = await asyncio.wrap_future(dial(endpoint.host, endpoint.port))
    except ProviderError as error:
        raise OSError(str(error)) from error
    _, upstream = await asyncio.get_running_loop().create_connection(Upstream, sock=sock)
    return upstream


class Pool:
    """Connections of one event loop."""

    def __init__(self) -> None:
        self._idle: dict[Endpoint, deque[tuple[float, Upstream]]] = {}

    def take(self, endpoint: Endpoint) -> Upstream | None:
        """A connection that served before and is still open, the most recent one; None where there is none."""
        kept = self._idle.pop(endpoint, None)
        while kept:
            since, upstream = kept.pop()
            if upstream.is_usable and time.monotonic() - since < IDLE_SECONDS:
                self._idle[endpoint] = kept
                return upstream
            upstream.abort()
        return None

    async def open(self, endpoint: Endpoint) -> Upstream:
        """A new connection. Errors: `OSError` (`TimeoutError` is one) where nobody answers."""
        if endpoint.dial is not None:
            return await _through_tunnel(endpoint.dial, endpoint)
        async with asyncio.timeout(CONNECT_SECONDS):
            loop = asyncio.get_running_loop()
            context = _tls_context() if endpoint.tls else None
            host = endpoint.host if endpoint.is_own else await _allowed_address(endpoint)
            name = endpoint.host if context else None
            _, upstream = await loop.create_connection(Upstream, host, endpoint.port, ssl=context, server_hostname=name)
            return upstream

    def give(self, endpoint: Endpoint, upstream: Upstream) -> None:
        """Take a connection back, whatever became of it."""
        self._forget_silent_trainers()
        kept = self._idle.setdefault(endpoint, deque())
        if len(kept) < MOST_IDLE and upstream.ready_for_next():
            kept.append((time.monotonic(), upstream))
        else:
            upstream.abort()

    def close(self) -> None:
        """Close those that wait for a request."""
        for kept in self._idle.values():
            for _, upstream in kept:
                upstream.abort()
        self._idle.clear()

    def _forget_silent_trainers(self) -> None:
        """Else connections to trainers that are over would stay here for ever."""
        now = time.monotonic()
        for endpoint, kept in list(self._idle.items()):
            if not kept or now - kept[-1][0] > IDLE_SECONDS:
                del self._idle[endpoint]
                for _, upstream in kept:
                    upstream.abort()
