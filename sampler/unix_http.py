"""Plain HTTP to a server of this machine that listens on a Unix socket; each call is a connection of its own."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainer.errors import OperationError

LARGEST_LINE = 16 * 1024 * 1024
STREAM_SECONDS = 600.0


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(path: Path, method: str, target: str, body: dict[str, Any] | None, seconds: float) -> Any:
    """The answer, as JSON where it is any. Raises OSError, and OperationError for one that is no success."""
    connection = UnixConnection(path, seconds)
    try:
        content = _send(connection, method, target, body).read()
    except http.client.HTTPException as error:
        raise OSError(f"{type(error).__name__} of {target}") from error
    finally:
        connection.close()
    try:
        return json.loads(content)
    except ValueError:
        return None


def stream_events(path: Path, target: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The server-sent events of an answer, up to [DONE]. Leaving it closes the connection. Raises as `ask` does."""
    connection = UnixConnection(path, STREAM_SECONDS)
    try:
        response = _send(connection, "POST", target, body)
        while line := response.readline(LARGEST_LINE):
            data = line.decode().strip().removeprefix("data: ")
            if data == "[DONE]":
                return
            if data:
                yield json.loads(data)
    except http.client.HTTPException as error:
        raise OSError(f"{type(error).__name__} of {target}") from error
    finally:
        connection.close()


def _send(
    connection: UnixConnection, method: str, target: str, body: dict[str, Any] | None
) -> http.client.HTTPResponse:
    content = None if body is None else json.dumps(body).encode()
    connection.request(method, target, content, {"content-type": "application/json"})
    response = connection.getresponse()
    if response.status >= 400:
        told = response.read(4096).decode("utf-8", "replace")
        raise OperationError(f"{target} answered {response.status}: {' '.join(told.split())[:300]}")
    return response
