"""Connections to where a connection of ours may go, each with an end in time.

A name is resolved once, and what is connected to is the address that was looked at: a name that answers otherwise the
next time gains nothing. TLS and the Host header keep the name.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any

import httpcore
import httpx

from connections.providers.errors import Unreachable
from wire.client_address import Address, Network

CONNECT_SECONDS = 10.0
_NAT64 = IPv6Network("64:ff9b::/96")


def may_connect(address: Address, networks: Sequence[Network]) -> bool:
    """Whether the address is a public one, or in one of the networks."""
    plain = getattr(address, "ipv4_mapped", None) or address
    if any(plain in network for network in networks if network.version == plain.version):
        return True
    return plain.is_global and not plain.is_multicast and all(inner.is_global for inner in _inside(plain))


def _inside(address: Address) -> Iterator[Address]:
    """The IPv4 addresses to which a gateway would take what is sent to the IPv6 address."""
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            yield ip_address(int(address) & 0xFFFFFFFF)
        if address.sixtofour:
            yield address.sixtofour


@lru_cache(1)
def tls_context() -> ssl.SSLContext:
    """Whose certificates are believed: certifi's, or those of SSL_CERT_FILE and SSL_CERT_DIR."""
    return httpx.create_ssl_context()


class CheckedBackend(httpcore.NetworkBackend):
    """Connects to public addresses and to those of the networks; whatever it opened ends at `deadline` (monotonic)."""

    def __init__(self, networks: Sequence[Network], deadline: float, *, loopback_only: bool) -> None:
        self._networks, self._deadline, self._loopback_only = networks, deadline, loopback_only

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """The first address that answers. Errors: `Unreachable` where none may be connected to; httpcore's."""
        failed: Exception = Unreachable(f"There is no address of the name {host}.")
        for address in self._addresses(host, port):
            try:
                stream = httpcore.SyncBackend().connect_tcp(
                    str(address), port, _left(self._deadline, timeout), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _EndingStream(stream, self._deadline)
        raise failed

    def _addresses(self, host: str, port: int) -> list[Address]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"The name {host} has no address: {getattr(error, 'strerror', error)}.") from None
        addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        allowed = [address for address in dict.fromkeys(addresses) if self._may_connect(address)]
        if addresses and not allowed:
            raise Unreachable(
                f"{host} is at {addresses[0]}, where connections may not go. A private network has to be named in "
                "SLIPWAY_CONNECTION_NETWORKS; http without TLS is for this machine's own addresses."
            )
        return allowed

    def _may_connect(self, address: Address) -> bool:
        return may_connect(address, self._networks) and (address.is_loopback or not self._loopback_only)


class _EndingStream(httpcore.NetworkStream):
    """A stream on which nothing waits beyond the deadline, however slowly something comes."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline, timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(self._deadline, timeout)
        return _EndingStream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float, timeout: float | None) -> float:
    left = max(0.001, deadline - time.monotonic())
    return left if timeout is None else min(left, timeout)
