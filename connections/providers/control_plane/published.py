"""A catalog file that is published beside the API: read from a path, or by https, without the key."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import httpcore

from connections.providers.base import Retryable, Unreachable
from connections.providers.control_plane.transport import CONNECT_SECONDS, CheckedBackend, tls_context
from wire.client_address import Network

PATIENCE_SECONDS = 30.0
MOST_BYTES = 4 * 1024 * 1024


def read_published(source: str, networks: Sequence[Network]) -> bytes:
    """The file's bytes. Errors: `Retryable`; `Unreachable` where there was no whole answer."""
    return _read_path(source) if source.startswith("/") else _fetch(source, networks)


def _read_path(path: str) -> bytes:
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(opened, "rb") as file:
            if not stat.S_ISREG(os.fstat(opened).st_mode):
                raise Retryable(f"{path} is no regular file.")
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Retryable(f"The catalog file {path} cannot be read: {error.strerror}.") from None
    return _bounded(data, path)


def _fetch(url: str, networks: Sequence[Network]) -> bytes:
    host = urlsplit(url).netloc
    backend = CheckedBackend(
        networks, time.monotonic() + PATIENCE_SECONDS, loopback_only=url.lower().startswith("http:")
    )
    patience = dict.fromkeys(("read", "write", "pool"), PATIENCE_SECONDS) | {"connect": CONNECT_SECONDS}
    headers = [("Accept-Encoding", "identity"), ("Connection", "close"), ("User-Agent", "slipway")]
    body = bytearray()
    try:
        with (
            httpcore.ConnectionPool(ssl_context=tls_context(), network_backend=backend) as pool,
            pool.stream("GET", url, headers=headers, extensions={"timeout": patience}) as response,
        ):
            if response.status != 200:
                moved = " Redirects are not followed." if 300 <= response.status < 400 else ""
                raise Retryable(f"{host} answered {response.status} for the catalog file.{moved}")
            for piece in response.iter_stream():
                body += piece
                if len(body) > MOST_BYTES:
                    break
    except (httpcore.TimeoutException, TimeoutError):
        raise Unreachable(f"{host} did not send the catalog file within {PATIENCE_SECONDS:g} s.") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
        raise Unreachable(f"{host} cannot be reached: {error or type(error).__name__}.") from None
    return _bounded(bytes(body), host)


def _bounded(data: bytes, source: str) -> bytes:
    if len(data) > MOST_BYTES:
        raise Retryable(f"The catalog file of {source} has more than {MOST_BYTES // 1024**2} MiB.")
    return data
