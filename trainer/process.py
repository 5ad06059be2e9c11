"""The life of a process that serves HTTP: listen, start, tick, end for the first reason that there is.

The main thread only waits, so that a signal is answered at once; the server has a thread of its own.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from trainer.durable import write_json
from trainer.errors import ConfigError
from trainer.outcome import Ending, Outcome

log = logging.getLogger(__name__)

TICK_S = 0.1
LISTEN_WITHIN_S = 20.0


class ServingProcess:
    """Writes endpoint.json into the directory once it listens, and exit-reason.json when it ends."""

    def __init__(self, directory: Path, host: str, port: int) -> None:
        self.outcome = Outcome()
        self._directory = directory
        self._address = host, port
        self._signal = 0

    def run(self, app: ASGIApp, start: Callable[[], None], check: Callable[[], None]) -> Ending:
        """Serve until something ends the process, and return why.

        `start` is called in a thread of its own once there is an endpoint, `check` over and over.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note_signal)
        server = self._listen(app)
        start_thread("model", start)
        while self.outcome.ending is None:
            time.sleep(TICK_S)
            check()  # first: who sends a signal may do so because of what is found here
            if self._signal:
                self.outcome.end("TERMINATED", f"Stopped by {signal.Signals(self._signal).name}.")
            elif not server.is_alive():
                self.outcome.end("ERROR", "The HTTP server stopped.")
        ending = self.outcome.ending
        try:
            write_json(self._directory / "exit-reason.json", {"reason": ending.reason, "message": ending.message})
        except OSError as error:  # a full disk, say: the exit code says what counts
            log.warning("exit-reason.json could not be written: %s", error.strerror or error)
        return ending

    def fail(self, what: str, error: Exception) -> None:
        log.debug("%s", what, exc_info=error)
        self.outcome.end("ERROR", f"{what}: {type(error).__name__}: {' '.join(str(error).split())[:500]}")

    def _note_signal(self, number: int, _frame: Any) -> None:
        # Only a plain assignment: a handler that took a lock could find it held by the very thread it interrupted.
        self._signal = number

    def _listen(self, app: ASGIApp) -> threading.Thread:
        listener = open_listener(*self._address)
        host, port = listener.getsockname()[:2]
        server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_keep_alive=75)
        )
        thread = start_thread("server", lambda: server.run(sockets=[listener]))
        deadline = time.monotonic() + LISTEN_WITHIN_S
        while not server.started:
            if time.monotonic() > deadline or not thread.is_alive():
                raise ConfigError(f"The HTTP server did not start on {host}:{port}.")
            time.sleep(0.01)
        write_json(self._directory / "endpoint.json", {"host": host, "port": port, "pid": os.getpid()})
        log.info("listening on %s:%d (pid %d)", host, port, os.getpid())
        return thread


def open_listener(host: str, port: int) -> socket.socket:
    """A bound, listening socket. Raises ConfigError where the address is taken or not this machine's."""
    try:
        listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=256
        )
        # Connections inherit it. Without it a body waits 40 ms behind its headers, for asyncio does not see to it here.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise ConfigError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}. Choose another port, or 0 for a free one."
        ) from error


def start_thread(name: str, target: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread
