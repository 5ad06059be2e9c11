"""Where a trainer listens, as its files say, and whether it answers there."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from connections.providers.errors import ProviderError
from connections.providers.optional import Dial
from connections.providers.trainer_files import files

HEALTHZ = "/api/v1/healthz"
HEALTHZ_SECONDS = 1.0
_OK = b"HTTP/1.1 200"


def port_of(directory: Path) -> int | None:
    """Where the trainer says that it listens. Of its host nothing is believed: it was told which one to take."""
    match files.read_json(files.records_of(directory) / files.ENDPOINT):
        case {"host": str(), "port": int(port)} if 0 < port < 2**16:
            return port
    return None


def token_of(directory: Path) -> str:
    """What the attempt's trainer demands of whoever calls it. Errors: `OSError`."""
    return files.read_word(directory / files.TOKEN)


def answers(address: str, port: int, token: str, dial: Dial | None = None) -> bool:
    """Whether the trainer's healthz answers 200 within a second, however slowly it sends."""
    deadline = time.monotonic() + HEALTHZ_SECONDS
    request = f"GET {HEALTHZ} HTTP/1.1\r\nHost: {in_url(address)}\r\nX-Api-Key: {token}\r\nConnection: close\r\n\r\n"
    said = b""
    try:
        with _connected(address, port, dial) as connection:  # of which a tunnel may not come about either
            connection.sendall(request.encode())
            while len(said) < len(_OK) and (left := deadline - time.monotonic()) > 0:
                connection.settimeout(left)
                if not (piece := connection.recv(len(_OK) - len(said))):
                    return False
                said += piece
    except (OSError, ProviderError):
        return False
    return said in {_OK, _OK.replace(b"1.1", b"1.0")}


def _connected(address: str, port: int, dial: Dial | None) -> socket.socket:
    if dial is None:
        return socket.create_connection((address, port), timeout=HEALTHZ_SECONDS)
    tunnel = dial(address, port)
    try:
        connection = tunnel.result(HEALTHZ_SECONDS)
    except TimeoutError:
        tunnel.cancel()
        raise
    connection.settimeout(HEALTHZ_SECONDS)
    return connection


def in_url(host: str) -> str:
    """The host as it stands in an address: an IPv6 one in brackets."""
    return f"[{host}]" if ":" in host else host
