"""Callers that ask a server again and again, each on one connection, at little cost to the machine that they share."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from benchmarks.session import percentile

PAUSE_SECONDS = 0.5
"""Of who was refused: less than the answer asks for, as impatient readers do."""
ANSWERED_SECONDS = 30
_END = b"\r\n\r\n"
"""Of a head."""
BROKEN_OFF = 0
"""Stands for the status of what was not answered to its end, or not at all."""


@dataclass
class Tally:
    """What came back: how often each status, and the seconds of each."""

    statuses: Counter[int] = field(default_factory=Counter)
    times: dict[int, list[float]] = field(default_factory=dict)

    def add(self, status: int, seconds: float) -> None:
        """One answer."""
        self.statuses[status] += 1
        self.times.setdefault(status, []).append(seconds)

    def tail(self, status: int) -> float:
        """The 95th percentile of the seconds of that status; 0.0 where there was none."""
        return percentile(self.times[status], 0.95) if status in self.times else 0.0


class OpenCaller:
    """Asks a server on one connection that stays open, and reads of the head what it has to: http.client reads all."""

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(base_url)
        self._at = parts.hostname or "", parts.port or 80
        self._head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": parts.netloc, **headers}.items())
        self._connection: socket.socket | None = None

    def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """The body of the answer as it came; ours is JSON. Errors: `RuntimeError` where that is no 200; `OSError`."""
        about = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        if self._connection is None:
            self._connection = socket.create_connection(self._at, timeout=ANSWERED_SECONDS)
        self._connection.sendall(f"{method} {path} HTTP/1.1\r\n{self._head}{about}\r\n".encode() + body)
        came = b""
        while _END not in came:
            came += self._received()
        head, _, came = came.partition(_END)
        status, length = _told_in(head)
        while len(came) < (length or 0):
            came += self._received()
        if status != httpx.codes.OK:
            raise RuntimeError(f"{path} was answered with {status}: {came[:300]!r}")
        return came

    def close(self) -> None:
        """The next one opens another connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _received(self) -> bytes:
        assert self._connection is not None
        if piece := self._connection.recv(65_536):
            return piece
        raise ConnectionError("The server closed the connection.")


async def ask_again(base_url: str, path: str, header: str, seconds: float) -> Tally:
    """Ask again and again on one connection, until the time is over. `header` is a whole line, or empty.

    A connection that breaks off is counted, and another one opened.
    """
    parts, tally, until = urlsplit(base_url), Tally(), time.monotonic() + seconds
    lines = [f"GET {path} HTTP/1.1", f"Host: {parts.netloc}", *([header] if header else []), "", ""]
    request = "\r\n".join(lines).encode()
    while (began := time.monotonic()) < until:
        try:
            await _ask_on_one(parts.hostname or "", parts.port or 80, request, tally, until)
        except (OSError, EOFError):
            tally.add(BROKEN_OFF, time.monotonic() - began)
            await asyncio.sleep(PAUSE_SECONDS)
    return tally


async def _ask_on_one(host: str, port: int, request: bytes, tally: Tally, until: float) -> None:
    """Errors: `OSError`, `EOFError` where the connection breaks off."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        while (began := time.monotonic()) < until:
            writer.write(request)
            status = await _read_answer(reader)
            tally.add(status, time.monotonic() - began)
            if status == httpx.codes.SERVICE_UNAVAILABLE:
                await asyncio.sleep(PAUSE_SECONDS)
    finally:
        writer.close()


async def _read_answer(reader: asyncio.StreamReader) -> int:
    """The status of an answer that is read to its end, by its length or in chunks."""
    head = await reader.readuntil(_END)
    status, length = _told_in(head)
    if length is not None:
        await reader.readexactly(length)
    elif b"transfer-encoding: chunked" in head.lower():
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    return status


def _told_in(head: bytes) -> tuple[int, int | None]:
    """The status, and the length of the body; None where that is not told."""
    _, told, behind = head.lower().partition(b"content-length:")
    return int(head.split(b" ", 2)[1]), int(behind.partition(b"\r\n")[0]) if told else None
