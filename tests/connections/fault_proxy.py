"""A proxy in front of a control plane, by which what a test names goes wrong on its way."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import urlsplit

_PASSED_ON = ("X-Api-Key", "Authorization", "Content-Type", "Accept")
UPSTREAM_SECONDS = 60


@dataclass
class Passage:
    """One request on its way."""

    handler: BaseHTTPRequestHandler
    upstream: str
    body: bytes
    closing: threading.Event

    def forward(self) -> tuple[int, bytes]:
        """What the control plane answers: from here on the request has had its effect."""
        parts = urlsplit(self.upstream)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=UPSTREAM_SECONDS)
        headers = {name: value for name in _PASSED_ON if (value := self.handler.headers.get(name))}
        try:
            connection.request(self.handler.command, self.handler.path, self.body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def answer(self, status: int, body: bytes, *, length: int | None = None) -> None:
        """Send it; `length` is what is announced."""
        self.handler.send_response(status)
        self.handler.send_header("Content-Type", "application/json")
        self.handler.send_header("Content-Length", str(len(body) if length is None else length))
        self.handler.end_headers()
        self.handler.wfile.write(body)

    def hang(self) -> None:
        """Say nothing until the caller has had enough."""
        with suppress(OSError):
            self.handler.connection.settimeout(0.05)
            while not self.closing.is_set():
                try:
                    if not self.handler.connection.recv(1):
                        return
                except TimeoutError:
                    continue


Fault: TypeAlias = Callable[[Passage], None]


def passed(passage: Passage) -> None:
    """No fault."""
    passage.answer(*passage.forward())


def timed_out_before(passage: Passage) -> None:
    """The request gets lost, and nobody says so."""
    passage.hang()


def timed_out_after(passage: Passage) -> None:
    """The answer gets lost."""
    passage.forward()
    passage.hang()


def hung_up_before(passage: Passage) -> None:
    """The connection ends before anything happens."""
    passage.handler.connection.shutdown(socket.SHUT_RDWR)


def hung_up_after(passage: Passage) -> None:
    """The connection ends where the answer would be."""
    passage.forward()
    passage.handler.connection.shutdown(socket.SHUT_RDWR)


def half_answered(passage: Passage) -> None:
    """Half of the answer comes."""
    status, body = passage.forward()
    passage.answer(status, body[: len(body) // 2], length=len(body))


def cut_to_good_json(passage: Passage) -> None:
    """The answer is whole, and says nothing."""
    status, _ = passage.forward()
    passage.answer(status, b"{}")


def dripped(passage: Passage) -> None:
    """The answer comes so slowly that nobody would wait for it."""
    status, body = passage.forward()
    passage.answer(status, b"", length=len(body) + 1_000_000)
    with suppress(OSError):
        while not passage.closing.is_set():
            passage.handler.wfile.write(b" ")
            time.sleep(0.05)


def refused(status: int, code: int, *, after: bool = False) -> Fault:
    """Refused in the control plane's words, before or after the request had its effect."""

    def fault(passage: Passage) -> None:
        if after:
            passage.forward()
        passage.answer(status, json.dumps({"code": code, "message": "A proxy made this up.", "details": []}).encode())

    return fault


def refused_by_something_else(status: int) -> Fault:
    """What stands in front answers, not in the words of the control plane."""
    return lambda passage: passage.answer(status, b"<html>Sorry</html>")


def lied(change: Callable[[dict[str, Any]], Any]) -> Fault:
    """The answer is changed on its way."""

    def fault(passage: Passage) -> None:
        status, body = passage.forward()
        passage.answer(status, json.dumps(change(json.loads(body))).encode())

    return fault


@dataclass
class _Rule:
    method: str
    part: str
    fault: Fault
    left: int


@dataclass
class FaultProxy:
    """Listens at `url`; every request passes but those for which there is a rule."""

    url: str
    rules: list[_Rule] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, fault: Fault, method: str, part: str, *, times: int = 1) -> None:
        """Let requests with that method and that part of their path or query go wrong so many times."""
        with self.lock:
            self.rules.append(_Rule(method, part, fault, times))

    def heal(self) -> None:
        """Let everything pass."""
        with self.lock:
            self.rules.clear()

    def choose(self, method: str, path: str) -> Fault:
        """What happens to the request."""
        with self.lock:
            self.requests.append(f"{method} {path}")
            for rule in self.rules:
                if rule.left and rule.method == method and rule.part in path:
                    rule.left -= 1
                    return rule.fault
        return passed


@contextmanager
def fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """A proxy before the control plane at that address."""
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with suppress(OSError):
                proxy.choose(self.command, self.path)(Passage(self, upstream, body, closing))

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy = FaultProxy(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
