"""Given addresses (PORT, DATABASE_URL, REDIS_URL) tried once before anything is started, and free ports."""

from __future__ import annotations

import errno
import os
import random
import socket
import time
from urllib.parse import urlsplit

import psycopg

from embedded.console import Trouble

CONNECT_SECONDS = 5
PATIENCE_SECONDS = 2
# Below the range from which the kernel takes ports for outgoing connections, so that a restart finds its port free.
SERVER_PORTS = range(20000, 32000)


def web_port() -> int:
    """PORT, checked to be a free port of the loopback address.

    Raises:
        Trouble: it is no port, it is taken, or it may not be used by this user.
    """
    text = os.environ.get("PORT") or "8000"
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise Trouble(f"PORT={text} is not a port: use a whole number from 1 to 65535.")
    port = int(text)
    try:
        _bind_patiently(port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Trouble(f"Port {port} is in use. Choose another, such as PORT={_near(port)} ./run") from None
        raise Trouble(f"Port {port} cannot be used: {error.strerror}. Choose another, such as PORT=8000.") from None
    return port


def free_port() -> int:
    """A free port for an embedded server.

    Raises:
        Trouble: none was free.
    """
    for port in random.sample(SERVER_PORTS, 100):
        try:
            _bind(port)
        except OSError:
            continue
        return port
    raise Trouble(f"No free port between {SERVER_PORTS.start} and {SERVER_PORTS.stop} for the embedded servers.")


def _bind(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        probe.listen(1)


def _bind_patiently(port: int) -> None:
    """Bind; a process that was just killed holds its port until its last thread is gone, so try for a while."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return _bind(port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _near(port: int) -> int:
    return port + 1 if port < 65535 else 8000


def check_database(url: str) -> None:
    """Connect once.

    Raises:
        Trouble: it is no Postgres address, or the server refused; never shows the password.
    """
    shown = _shown("DATABASE_URL", url, {"postgres", "postgresql"}, "postgresql://user:password@host:5432/database")
    try:
        psycopg.connect(url, connect_timeout=CONNECT_SECONDS).close()
    except psycopg.Error as error:
        raise Trouble(f"DATABASE_URL {shown} does not work: {_reason(error, url)}") from None


def check_broker(url: str) -> None:
    """Connect and ping once.

    Raises:
        Trouble: it is no Redis address, or the server refused; never shows the password.
    """
    import redis  # noqa: PLC0415  # 10 MB that this process would keep for as long as Slipway runs

    limits = {"socket_connect_timeout": CONNECT_SECONDS, "socket_timeout": CONNECT_SECONDS}
    shown = _shown("REDIS_URL", url, {"redis", "rediss", "unix"}, "redis://:password@host:6379/0")
    try:
        with redis.Redis.from_url(url, **limits) as client:
            client.ping()
    except (redis.RedisError, ValueError, OSError) as error:
        raise Trouble(f"REDIS_URL {shown} does not work: {_reason(error, url)}") from None


def _shown(variable: str, url: str, schemes: set[str], example: str) -> str:
    """The address without its password. Raises Trouble where it is not an address of these schemes."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise Trouble(f"{variable} is not an address ({error}): it looks like {example}") from None
    if parts.scheme not in schemes:
        raise Trouble(f"{variable} is not such an address: it looks like {example}")
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}"


def _reason(error: Exception, url: str) -> str:
    """The error in one line. Servers do not repeat passwords, but parsers of addresses may."""
    text = " ".join(str(error).split()) or type(error).__name__
    password = urlsplit(url).password
    return text.replace(password, "***") if password else text
