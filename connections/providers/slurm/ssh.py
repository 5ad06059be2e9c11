"""A login node over ssh, by one connection that a process holds, uses again, and opens anew where it broke.

asyncssh runs in a thread of its own. Nothing of the machine is asked: no agent, no ~/.ssh, no known_hosts, no password;
the host key is the connection's setting, and so is our key. Each act has a time limit; where no connection comes about,
the next ones are refused for a moment instead of each waiting as long.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import shlex
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

import asyncssh

from connections.providers.errors import ProviderError, Retryable, SecretRefused, Unconfirmed, Unreachable
from connections.providers.slurm.login import Login, fingerprint_of, public_line, read_private_key
from connections.providers.slurm.shells import Ran
from connections.providers.slurm.tunnels import open_tunnel
from connections.providers.trainer_files import values

CONNECT_SECONDS = TUNNEL_SECONDS = FILES_SECONDS = 10.0
REFUSED_SECONDS = 5.0
IDLE_SECONDS = 300.0
KEEPALIVE_SECONDS = 10
SESSIONS = 6
"""Programs at once; sshd takes ten sessions of a connection unless it is told otherwise, and files are one."""
LARGEST_ANSWER = 128 * 1024 * 1024
_LARGEST_COMPLAINT = 64 * 1024
_SHOWN = 200
_TIMED_OUT = {124, 128 + signal.SIGKILL}
"""What `timeout` says: nothing that is given up here goes on there."""
_CUT_OFF = (asyncssh.DisconnectError, asyncssh.ChannelOpenError, ConnectionError)
HELD = b"held\n"
BUSY = 100
"""The exit code of a program that was to hold what another one holds."""
T = TypeVar("T")
asyncssh.set_log_level("WARNING")  # at INFO it tells every program that is run
_starting = threading.RLock()  # which the garbage collector may come by with, on the thread that holds it


@cache
def _loop_of(_process: int) -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="ssh", daemon=True).start()
    return loop


def ssh_loop() -> asyncio.AbstractEventLoop:
    """The loop of this process: one that was forked has its own."""
    with _starting:
        return _loop_of(os.getpid())


class Line:
    """What one process holds of a login node. Its loop's alone."""

    def __init__(self, login: Login, key: asyncssh.SSHKey) -> None:
        self._login = login
        self._key = key
        self._opening = asyncio.Lock()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._refusal: ProviderError | None = None
        self._refused_until = 0.0
        self._used_at = 0.0
        self._files: asyncio.Future[asyncssh.SFTPClient] | None = None
        self.sessions = asyncio.Semaphore(SESSIONS)
        self.tunnels: set[asyncio.Task[None]] = set()
        """Open connections through it, which keep it open."""

    async def connected(self) -> asyncssh.SSHClientConnection:
        """The connection, opened where it is not. Errors: `SecretRefused`, `Unreachable`."""
        async with self._opening:
            self._used_at = time.monotonic()
            if self._connection is not None and not self._connection.is_closed():
                return self._connection
            if self._refusal is not None and self._used_at < self._refused_until:
                raise self._refusal.with_traceback(None)
            try:
                self._connection = await self._open()
            except ProviderError as refusal:
                self._refusal, self._refused_until = refusal, time.monotonic() + REFUSED_SECONDS
                raise
            self._files = None
            self._closing = asyncio.create_task(self._close_when_idle(self._connection))
            return self._connection

    async def files(self) -> asyncssh.SFTPClient:
        """Its one sftp session, another where that is over. Errors: as `connected`; `Retryable` where there is none."""
        connection = await self.connected()
        if self._files is None or (self._files.done() and self._files.exception() is not None):
            self._files = asyncio.ensure_future(self._begin_files(connection))
        try:
            return await asyncio.shield(self._files)
        except asyncssh.ChannelOpenError:
            raise Retryable(f"{self._login} gives no files: sshd there has no subsystem sftp.") from None

    def end_files(self, files: asyncssh.SFTPClient) -> None:
        """Let go of a session that is over or stuck: the next act begins another over the same connection."""
        files.exit()
        current = self._files
        if current is not None and current.done() and current.exception() is None and current.result() is files:
            self._files = None

    async def _begin_files(self, connection: asyncssh.SSHClientConnection) -> asyncssh.SFTPClient:
        async with asyncio.timeout(FILES_SECONDS):
            files = await connection.start_sftp_client(path_encoding=None)
        self._watching = asyncio.create_task(self._until_over(files))
        return files

    async def _until_over(self, files: asyncssh.SFTPClient) -> None:
        await files.wait_closed()
        self.end_files(files)

    async def _open(self) -> asyncssh.SSHClientConnection:
        login = self._login
        if not login.host_key:
            raise await self._unknown_host()
        pinned = asyncssh.import_public_key(login.host_key)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncssh.connect(
                    login.host,
                    login.port,
                    username=login.user,
                    client_keys=[self._key],
                    known_hosts=lambda *_: ([pinned], [], []),
                    preferred_auth=["publickey"],
                    agent_path=None,
                    config=None,
                    gss_host=None,
                    x509_trusted_cert_paths=None,
                    keepalive_interval=KEEPALIVE_SECONDS,
                )
        except TimeoutError:
            raise Unreachable(f"{login} did not answer within {CONNECT_SECONDS:g} s. {_REACH}") from None
        except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed):
            raise Unreachable(await self._changed_host()) from None
        except asyncssh.PermissionDenied:
            raise SecretRefused(
                f"{login} does not take the connection's key. Add this line to {login.user}'s ~/.ssh/authorized_keys "
                f"there: {public_line(self._key)}"
            ) from None
        except (OSError, asyncssh.Error) as error:
            if await self._is_another(pinned):
                raise Unreachable(await self._changed_host()) from None
            raise Unreachable(f"{login} cannot be reached: {_words(error)}. {_REACH}") from None

    async def _unknown_host(self) -> Unreachable:
        if not (shown := await self._shown_key()):
            return Unreachable(f"{self._login} shows no host key. {_REACH}")
        words = (
            f"{self._login.host} shows the host key {fingerprint_of(shown)}, which nobody has confirmed yet. Where "
            f"ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub says the same there, put this into Host key: {shown}"
        )
        return Unconfirmed(words, "host_key", shown)

    async def _changed_host(self) -> str:
        pinned, shown = fingerprint_of(self._login.host_key), await self._shown_key()
        now = f" but {fingerprint_of(shown)}" if shown else ""
        return (
            f"{self._login.host} does not show the host key that the connection has ({pinned}){now}. Somebody may "
            "stand in between, or it was installed anew: ask whoever runs it, and only then change Host key."
        )

    async def _is_another(self, pinned: asyncssh.SSHKey) -> bool:
        """Whether it shows host keys to anybody, and not that one."""
        if not await self._shown_key():
            return False
        return await self._shown_key([name.decode() for name in pinned.sig_algorithms]) != public_line(pinned)

    async def _shown_key(self, kinds: Sequence[str] = ()) -> str:
        """What it shows to anybody, of these kinds where they are told; "" where that cannot be had."""
        login = self._login
        with suppress(OSError, asyncssh.Error, TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                shown = await asyncssh.get_server_host_key(
                    login.host, login.port, server_host_key_algs=kinds or (), config=None
                )
                return public_line(shown) if shown else ""
        return ""

    async def _close_when_idle(self, connection: asyncssh.SSHClientConnection) -> None:
        while not connection.is_closed():
            left = self._used_at + IDLE_SECONDS - time.monotonic()
            if left <= 0 and not self.tunnels:
                connection.close()
                return
            await asyncio.sleep(max(left, IDLE_SECONDS / 10))


@dataclass(frozen=True)
class LoginNode:
    """Programs there, as `Shell`; `key` is the private key of the connection, as it was written."""

    login: Login
    key: str = field(repr=False)
    _lines: dict[int, Line] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def remedy(self) -> str:
        """What to do where a program is not there, as a sentence goes on."""
        return f"is not found on {self.login.host}: say in which folder Slurm's programs are there."

    def run(self, words: Sequence[str], environment: Mapping[str, str], stdin: str, seconds: float) -> Ran:
        """As `Shell.run`: every word arrives as it is, whatever is in it."""
        command = command_line(["timeout", "-k1", f"{seconds:g}", *words], environment)

        async def act(connection: asyncssh.SSHClientConnection) -> Ran:
            async with self.line().sessions:
                return await _run(connection, command, stdin)

        silence = f"{self.login.host} did not answer {words[0]} within {seconds:g} s."
        ran = self.do(act, seconds + CONNECT_SECONDS, silence)
        if ran.code in _TIMED_OUT:
            raise Unreachable(silence)
        return ran

    def dial(self, host: str, port: int) -> concurrent.futures.Future[socket.socket]:
        """A tunnel to a port that the login node reaches: our end of it, open until either end is closed.

        Errors: `OSError` where nobody answers there, `SecretRefused`, `Unreachable`.
        """

        async def act(connection: asyncssh.SSHClientConnection) -> socket.socket:
            tunnels = self.line().tunnels
            ours, task = await open_tunnel(connection, host, port)
            tunnels.add(task)
            task.add_done_callback(tunnels.discard)
            return ours

        return self.soon(act, TUNNEL_SECONDS, f"{self.login.host} opened no tunnel within {TUNNEL_SECONDS:g} s.")

    @contextmanager
    def holding(self, words: Sequence[str], seconds: float, most: float) -> Iterator[object | None]:
        """While a program runs that says "held" once it holds what it is for; None where it ends with `BUSY`.

        It has so many seconds to get it, and `most` to hold it, and is to end with its input. Errors: as `run`, and
        `Retryable` with its words where it ends otherwise.
        """
        command = command_line(["timeout", "-k1", f"{seconds + most:g}", *words], {})
        silence = f"{self.login.host} did not answer {words[0]} within {seconds:g} s."

        async def begin(connection: asyncssh.SSHClientConnection) -> asyncssh.SSHClientProcess[bytes] | None:
            process: asyncssh.SSHClientProcess[bytes] = await connection.create_process(command, encoding=None)
            try:
                said = await process.stdout.readline()
                if said == HELD:
                    return process
                process.stdin.write_eof()
                said += await _read(process.stderr, _LARGEST_COMPLAINT)
                await process.wait_closed()
            except BaseException:
                process.close()
                raise
            if process.exit_status == BUSY:
                return None
            shown = values.plain(said.decode("utf-8", "replace").strip())[:_SHOWN] or "without a word"
            raise Retryable(f"{words[0]} on {self.login.host} ended instead of holding a lock: {shown}")

        process = self.do(begin, seconds + CONNECT_SECONDS, silence)
        if process is None:
            yield None
            return
        try:
            yield process
        finally:
            with suppress(ProviderError, OSError):  # cut off, it ends by itself
                self.do(lambda _: _end(process), seconds, silence)

    def do(self, act: Callable[[asyncssh.SSHClientConnection], Awaitable[T]], seconds: float, silence: str) -> T:
        """Have it done over the connection. Errors: its own; `SecretRefused`, `Unreachable` with `silence`."""
        return self.soon(act, seconds, silence).result()

    def soon(
        self, act: Callable[[asyncssh.SSHClientConnection], Awaitable[T]], seconds: float, silence: str
    ) -> concurrent.futures.Future[T]:
        """The same, for who does not wait for it here."""
        return asyncio.run_coroutine_threadsafe(self._within(act, seconds, silence), ssh_loop())

    async def _within(
        self, act: Callable[[asyncssh.SSHClientConnection], Awaitable[T]], seconds: float, silence: str
    ) -> T:
        try:
            async with asyncio.timeout(seconds):
                return await act(await self.line().connected())
        except TimeoutError:
            raise Unreachable(silence) from None
        except _CUT_OFF as error:
            raise Unreachable(f"The connection to {self.login} broke: {_words(error)}.") from None

    def line(self) -> Line:
        """What this process holds of it. Errors: `Retryable` for a key that cannot be read."""
        line = self._lines.get(os.getpid())
        if line is None:
            try:
                line = self._lines[os.getpid()] = Line(self.login, read_private_key(self.key))
            except ValueError:
                raise Retryable("The connection has no private key that can be read: put it in again.") from None
        return line


def command_line(words: Sequence[str], environment: Mapping[str, str]) -> bytes:
    """What the login shell there is given: quoted, so that it takes none of it for its own. Names are any bytes."""
    told = [f"{name}={value}" for name, value in environment.items()]
    return os.fsencode(shlex.join(["env", *told, *words] if told else words))


async def _run(connection: asyncssh.SSHClientConnection, command: bytes, stdin: str) -> Ran:
    process: asyncssh.SSHClientProcess[bytes] = await connection.create_process(command, encoding=None)
    try:
        process.stdin.write(stdin.encode())
        process.stdin.write_eof()
        out, err = await asyncio.gather(
            _read(process.stdout, LARGEST_ANSWER), _read(process.stderr, _LARGEST_COMPLAINT)
        )
        await process.wait_closed()
    except BaseException:
        with suppress(OSError):
            process.terminate()
        process.close()
        raise
    code = process.exit_status
    return Ran(-1 if code is None else code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


async def _end(process: asyncssh.SSHClientProcess[bytes]) -> None:
    process.stdin.write_eof()
    await process.wait_closed()


async def _read(stream: asyncssh.SSHReader[bytes], most: int) -> bytes:
    """All of it. Errors: `Retryable` where it is more."""
    pieces: list[bytes] = []
    while piece := await stream.read(65536):
        pieces.append(piece)
        most -= len(piece)
        if most < 0:
            raise Retryable("The login node said more than can be an answer.")
    return b"".join(pieces)


def _words(error: BaseException) -> str:
    said = getattr(error, "reason", "") or getattr(error, "strerror", "") or str(error) or type(error).__name__
    return values.plain(str(said))[:_SHOWN].rstrip(".")


_REACH = "Check the address, and that this machine may connect there."
