"""The life of the process: listen, load, serve (and drive itself where there is a recipe), end for one of four reasons.

The main thread only waits, so that a signal is answered at once: the server has a thread, operations run in another,
the recipe in a third. Heavy imports happen in the thread that loads the model, while the server listens already.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn

from trainer.checkpoints import Checkpoints
from trainer.config import TrainerConfig
from trainer.durable import write_json
from trainer.errors import ConfigError, OperationError
from trainer.outcome import Ending, Outcome
from trainer.server import make_app
from trainer.service import Service
from trainer.sessions import Sessions
from trainer.work import Work

log = logging.getLogger(__name__)

TICK_S = 0.1
LISTEN_WITHIN_S = 20.0


class Runtime:
    def __init__(self, config: TrainerConfig, token: str) -> None:
        self.config = config
        self.outcome = Outcome()
        self.sessions = Sessions(self._note_session)
        self.work = Work()
        self.checkpoints = Checkpoints(config.checkpoints, config.jobs_root, config.job)
        self.service = Service(config, self.checkpoints)
        self._recipe_running = config.recipe != "none"
        self._signal = 0
        app = make_app(self.service, self.work, self.sessions, token)
        self._server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_keep_alive=75)
        )

    def run(self) -> Ending:
        """Serve until something ends the process; write exit-reason.json and return why."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note_signal)
        self._listen()
        _start("model", self._load)
        while self.outcome.ending is None:
            time.sleep(TICK_S)
            self._check()
        ending = self.outcome.ending
        try:
            write_json(self.config.directory / "exit-reason.json", {"reason": ending.reason, "message": ending.message})
        except OSError as error:  # a full disk, say: the exit code says what counts
            log.warning("exit-reason.json could not be written: %s", error.strerror or error)
        return ending

    def _note_session(self) -> None:
        write_json(self.config.directory / "session.json", {"opened": True})

    def _note_signal(self, number: int, _frame: Any) -> None:
        # Only a plain assignment: a handler that took a lock could find it held by the very thread it interrupted.
        self._signal = number

    def _check(self) -> None:
        if self._signal:
            self.outcome.end("TERMINATED", f"Stopped by {signal.Signals(self._signal).name}.")
        elif not self._server_thread.is_alive():
            self.outcome.end("ERROR", "The HTTP server stopped.")
        elif self._recipe_running or self.work.waiting or not self.service.is_ready:
            self.sessions.touch()
        elif self.sessions.idle_seconds > self.config.inactivity_timeout_s:
            self.outcome.end(
                "INACTIVE", f"No call for {self.config.inactivity_timeout_s:g} s (the inactivity timeout)."
            )

    def _listen(self) -> None:
        listener = open_listener(self.config.host, self.config.port)
        host, port = listener.getsockname()[:2]
        self._server_thread = _start("server", lambda: self._server.run(sockets=[listener]))
        deadline = time.monotonic() + LISTEN_WITHIN_S
        while not self._server.started:
            if time.monotonic() > deadline or not self._server_thread.is_alive():
                raise ConfigError(f"The HTTP server did not start on {host}:{port}.")
            time.sleep(0.01)
        write_json(self.config.directory / "endpoint.json", {"host": host, "port": port, "pid": os.getpid()})
        log.info("listening on %s:%d (pid %d)", host, port, os.getpid())

    def _load(self) -> None:
        # Seconds of imports: they are made here, while the server listens already and a signal is heard.
        from trainer.loading import load_parts  # noqa: PLC0415
        from trainer.operations.table import RUNNERS  # noqa: PLC0415

        try:
            parts, directory = load_parts(self.config, self.checkpoints, self.sessions)
        except Exception as error:
            self._fail("The model could not be loaded", error)
            return
        self.service.open(parts, RUNNERS)
        log.info("ready")
        if self._recipe_running:
            self._run_recipe(directory)

    def _run_recipe(self, model_directory: Path) -> None:
        from trainer.recipe import SampleRecipe  # noqa: PLC0415  # see _load

        try:
            message = SampleRecipe(self.config, self.checkpoints, model_directory, self._call).run()
        except OperationError as error:
            self.outcome.end("ERROR", f"Recipe {self.config.recipe} stopped: {error.detail}")
        except Exception as error:
            self._fail(f"Recipe {self.config.recipe} failed", error)
        else:
            self.outcome.end("COMPLETED", message)

    def _call(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        """One operation through the same queue that clients use, waited for."""
        request_id = self.work.submit(operation, self.service.prepare(operation, body))
        ticket = self.work.ticket(request_id)
        try:
            return ticket.future.result()
        finally:
            ticket.mark_fetched()

    def _fail(self, what: str, error: Exception) -> None:
        log.debug("%s", what, exc_info=True)
        self.outcome.end("ERROR", f"{what}: {type(error).__name__}: {' '.join(str(error).split())[:500]}")


def open_listener(host: str, port: int) -> socket.socket:
    """A bound, listening socket. Raises ConfigError where the address is taken or not this machine's."""
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=256
        )
    except OSError as error:
        raise ConfigError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}. Choose another port, or 0 for a free one."
        ) from error


def _start(name: str, target: Any) -> threading.Thread:
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread
