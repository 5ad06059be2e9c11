"""A catalog file that is published beside the API: read from a path, or by https, without the key."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from urllib.parse import urlsplit

from connections.providers.control_plane.exchange import ask
from connections.providers.errors import Retryable
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
    answer = ask("GET", url, networks=networks, seconds=PATIENCE_SECONDS, most_bytes=MOST_BYTES)
    if answer.status != 200:
        moved = " Redirects are not followed." if 300 <= answer.status < 400 else ""
        raise Retryable(f"{host} answered {answer.status} for the catalog file.{moved}")
    return _bounded(answer.body, host)


def _bounded(data: bytes, source: str) -> bytes:
    if len(data) > MOST_BYTES:
        raise Retryable(f"The catalog file of {source} has more than {MOST_BYTES // 1024**2} MiB.")
    return data
