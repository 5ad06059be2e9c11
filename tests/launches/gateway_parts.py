"""What the gateway's tests are made of: a real server in front, a scripted trainer behind, and keys to go through."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.domain.create_api_key import create_api_key
from accounts.models import Account, User
from accounts.scopes import Scope
from connections.providers.states import AttemptState, Reason
from embedded.addresses import free_port
from launches.domain.apply_report import apply_report
from launches.domain.claim_attempt import claim_attempt
from launches.models import Launch
from tests.launches.makers import attempt_of, seen

PATIENCE = 60.0
ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def front_door(*options: str, log: Path | None = None, **settings_: str) -> Iterator[int]:
    """The port of a server with one process, as `./run` starts it, on the test database; `log` gets what it says.

    `settings_` are variables of its environment.
    """
    port = free_port()
    command = [sys.executable, "-m", "config.web", "--host", "127.0.0.1", "--port", str(port)]
    said = (log or Path(os.devnull)).open("ab")
    # Where a test has loaded the application into this process, that counts in a folder of its own.
    outside = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    process = subprocess.Popen(
        [*command, "--workers", "1", *options],
        cwd=ROOT,
        env=outside | {"DATABASE_URL": database_address(), "SLIPWAY_SECRET_KEY": settings.SECRET_KEY} | settings_,
        stdout=said,
        stderr=said if log else None,
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)
        said.close()


def database_address() -> str:
    """Of the test database, for processes of their own."""
    database = settings.DATABASES["default"]
    place = f"{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}"
    return f"postgres://{place}/{database['NAME']}"


class Wire:
    """One TCP connection, read piece by piece."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._socket.settimeout(PATIENCE)
        self.buffer = b""

    def patience(self, seconds: float) -> None:
        """How long to wait for the other side from now on."""
        self._socket.settimeout(seconds)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def until(self, mark: bytes) -> bytes:
        """Everything up to and with the mark. Errors: `EOFError` where the other side ends before."""
        while mark not in self.buffer:
            self._more()
        found, _, self.buffer = self.buffer.partition(mark)
        return found + mark

    def exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            self._more()
        found, self.buffer = self.buffer[:size], self.buffer[size:]
        return found

    def rest(self) -> bytes:
        """Everything until the other side ends."""
        try:
            while True:
                self._more()
        except EOFError:
            found, self.buffer = self.buffer, b""
            return found

    def ends(self) -> bool:
        """Wait for the other side's end; whether it came."""
        try:
            self.rest()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Hang up at once."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _more(self) -> None:
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError(self.buffer)
        self.buffer += data


@dataclass
class Call:
    """One request that reached the scripted trainer."""

    line: bytes
    fields: list[tuple[bytes, bytes]]
    wire: Wire
    connection: int
    over: threading.Event = field(default_factory=threading.Event)
    """Set when the script is done with it, or was stopped."""

    def values(self, name: bytes) -> list[bytes]:
        return [value for given, value in self.fields if given == name]

    def body(self) -> bytes:
        """The whole body, whichever way it is framed."""
        if length := self.values(b"content-length"):
            return self.wire.exactly(int(length[0]))
        if self.values(b"transfer-encoding") != [b"chunked"]:
            return b""
        parts = []
        while size := int(self.wire.until(b"\r\n"), 16):
            parts.append(self.wire.exactly(size))
            self.wire.until(b"\r\n")
        self.wire.until(b"\r\n")
        return b"".join(parts)

    def answer(self, body: bytes, *fields: bytes, status: bytes = b"200 OK") -> None:
        """A whole answer with a length."""
        head = [b"HTTP/1.1 " + status, b"content-length: %d" % len(body), *fields]
        self.wire.send(b"\r\n".join(head) + b"\r\n\r\n" + body)


def answer_plainly(call: Call) -> None:
    """Read the body, say how long it was."""
    call.answer(b"%d bytes" % len(call.body()))


@dataclass
class StandIn:
    """A trainer whose every byte a test decides: `script` is run for each request, in a thread of its connection."""

    script: Callable[[Call], None] = answer_plainly
    calls: queue.Queue[Call] = field(default_factory=queue.Queue)
    connections: int = 0

    def __post_init__(self) -> None:
        self._wires: list[Wire] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def next_call(self) -> Call:
        return self.calls.get(timeout=PATIENCE)

    def close(self) -> None:
        """Die: nobody listens, and nobody is on any connection."""
        with contextlib.suppress(OSError):  # it may be dead already
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for wire in self._wires:
            with contextlib.suppress(OSError):
                wire.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._wires.append(Wire(connection))
            self.connections += 1
            threading.Thread(target=self._serve, args=(self._wires[-1], self.connections), daemon=True).start()

    def _serve(self, wire: Wire, number: int) -> None:
        try:
            while True:
                line, *lines = wire.until(b"\r\n\r\n").strip().split(b"\r\n")
                fields = [(name.lower(), value.strip()) for name, _, value in (each.partition(b":") for each in lines)]
                call = Call(line, fields, wire, number)
                self.calls.put(call)
                try:
                    self.script(call)
                finally:
                    call.over.set()
        except (EOFError, OSError):
            return


def observe(launch: Launch, state: AttemptState, *, endpoint: str = "", reason: Reason | None = None) -> None:
    """What the provider says of the launch's newest attempt."""
    attempt = attempt_of(launch)
    attempt.next_check_at = timezone.now()
    attempt.save(update_fields=["next_check_at"])
    claim = claim_attempt(attempt.pk, now=timezone.now())
    assert claim is not None
    apply_report(claim, seen(state, endpoint=endpoint, ready=bool(endpoint), reason=reason), now=timezone.now())


def make_key(
    user: User, account: Account, *, scope: Scope = Scope.LAUNCH, days: int | None = None, job: str = ""
) -> str:
    """The secret of a new key of the user."""
    name = f"key {timezone.now().timestamp()}"
    _, secret = create_api_key(
        actor=SYSTEM, account=account, user=user, name=name, scope=scope, now=timezone.now(), days=days, job=job
    )
    return secret


def prefix_of(launch: Launch) -> str:
    """Where the gateway serves the launch's trainer."""
    return f"/training/v1/rlorTrainerJobs/{launch.account.account_id}/{launch.job_id}"
