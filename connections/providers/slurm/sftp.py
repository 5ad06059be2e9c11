"""The shared directory over the ssh of a login node, where it is not mounted here: what sftp is asked.

All of a process goes over one sftp session, which is ended where an act gets no answer in time. Below `jobs` no
component of a path may be a link; sftp cannot open a file and ask that at once, so it is asked just before. Everything
there belongs to the one user that all trainers are, so what a link put there in that moment would show, its owner can
read anyway.
"""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import asyncssh

from connections.providers.slurm.ssh import LoginNode
from connections.providers.trainer_files.reading import NoRegularFile

SECONDS = 20.0
JOBS = "jobs"
T = TypeVar("T")
Act = Callable[[asyncssh.SFTPClient], Awaitable[T]]


@dataclass(frozen=True)
class SftpFiles:
    """The files that a login node sees; `root` is where ours are."""

    node: LoginNode
    root: str
    _real: dict[str, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)
    turn: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def do(self, act: Act[T], path: Path) -> T:
        """Have it done, what sftp says against it said as this machine would. Errors: `OSError`, `Retryable`."""
        return self.soon(act, path).result()

    def soon(self, act: Act[T], path: Path) -> Future[T]:
        """The same, for who does not wait for it here."""

        async def within(_: asyncssh.SSHClientConnection) -> T:
            line = self.node.line()
            with said_here(path):
                sftp = await line.files()
                try:
                    return await act(sftp)
                except asyncio.CancelledError:  # out of time
                    line.end_files(sftp)
                    raise

        return self.node.soon(
            within, SECONDS, f"{self.node.login.host} gave no answer for {path} within {SECONDS:g} s."
        )

    async def regular(self, sftp: asyncssh.SFTPClient, path: bytes, kind: int) -> asyncssh.SFTPAttrs:
        """What is there, which is of that kind and no link. Errors: `NoRegularFile`, or sftp's."""
        about, real, expected = await asyncio.gather(sftp.lstat(path), sftp.realpath(path), self._expected(sftp, path))
        if about.type != kind or real != expected:
            raise NoRegularFile(errno.ENOENT, "It is no regular file", os.fsdecode(path))
        return about

    async def _expected(self, sftp: asyncssh.SFTPClient, path: bytes) -> bytes:
        """Where it really lies as long as nothing below our folder is a link."""
        for trusted in (f"{self.root}/{JOBS}", self.root):
            start = os.fsencode(trusted)
            if path.startswith(start + b"/"):
                if trusted not in self._real:
                    self._real[trusted] = as_bytes(await sftp.realpath(start))
                return self._real[trusted] + path.removeprefix(start)
        raise NoRegularFile(errno.ENOENT, "It is not in Slipway's folder", os.fsdecode(path))


async def names_in(sftp: asyncssh.SFTPClient, path: bytes, most: int) -> list[str]:
    """What is in a folder, at most so many."""
    found: list[str] = []
    async for entry in sftp.scandir(path):
        if entry.filename not in (b".", b".."):
            found.append(os.fsdecode(entry.filename))
        if len(found) >= most:
            break
    return found


@contextmanager
def said_here(path: Path) -> Iterator[None]:
    """What sftp says against something on the path, as this machine would say it."""
    try:
        yield
    except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path)) from None
    except asyncssh.SFTPPermissionDenied:
        raise PermissionError(errno.EACCES, "Permission denied", str(path)) from None
    except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection) as error:
        raise ConnectionError(error.reason) from None
    except asyncssh.SFTPError as error:
        raise OSError(errno.EIO, f"sftp says {error.reason!r}", str(path)) from None


def as_bytes(told: Any) -> bytes:
    """What asyncssh answers to names and for files that were given as bytes."""
    return told if isinstance(told, bytes) else os.fsencode(str(told))
