"""One request by HTTP to where a connection of ours may go: not repeated, not redirected, bounded in time and size."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpcore

from connections.providers.control_plane.transport import CONNECT_SECONDS, CheckedBackend, tls_context
from connections.providers.errors import Unreachable
from wire.client_address import Network

ALWAYS = (("Accept-Encoding", "identity"), ("Connection", "close"), ("User-Agent", "slipway"))


@dataclass(frozen=True)
class HttpAnswer:
    """A status and the body, of which no more is read once it is longer than may be."""

    status: int
    body: bytes

    @property
    def is_good(self) -> bool:
        """Whether it is what was asked for."""
        return 200 <= self.status < 300


def ask(
    method: str,
    url: str,
    *,
    networks: Sequence[Network],
    seconds: float,
    most_bytes: int,
    headers: Sequence[tuple[str, str]] = (),
    content: bytes | None = None,
) -> HttpAnswer:
    """Whatever it answers; of a body that has more than `most_bytes` at least one byte more than that.

    `seconds` is for all of it. Errors: `Unreachable` where no whole answer came.
    """
    host = urlsplit(url).netloc
    backend = CheckedBackend(networks, time.monotonic() + seconds, loopback_only=url.lower().startswith("http:"))
    patience = {"connect": min(CONNECT_SECONDS, seconds), "read": seconds, "write": seconds, "pool": seconds}
    body = bytearray()
    try:
        with (
            httpcore.ConnectionPool(ssl_context=tls_context(), network_backend=backend) as pool,
            pool.stream(
                method, url, headers=[*ALWAYS, *headers], content=content, extensions={"timeout": patience}
            ) as response,
        ):
            for piece in response.iter_stream():
                body += piece
                if len(body) > most_bytes:
                    break
            return HttpAnswer(response.status, bytes(body))
    except (httpcore.TimeoutException, TimeoutError):
        raise Unreachable(f"{host} did not answer within {seconds:g} s. This is tried again.") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
        raise Unreachable(f"{host} cannot be reached: {_said_of(error)}.") from None


def _said_of(error: BaseException) -> str:
    """What the system says of it without its number, such as `Connection refused`; else its own words, or its kind."""
    cause = error.__cause__ or error.__context__
    system = next((one for one in (error, cause) if isinstance(one, OSError) and one.strerror), None)
    return (system.strerror if system else None) or str(error) or type(error).__name__
