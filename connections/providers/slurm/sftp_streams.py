"""Files of the shared directory that are open over ssh, read and written piece by piece."""

from __future__ import annotations

import errno
import io
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncssh

from connections.providers.errors import Retryable
from connections.providers.slurm.sftp import Act, SftpFiles, T


class SftpFile(io.RawIOBase):
    """A file that is open there; whoever reads or writes knows what a file says that breaks off."""

    def __init__(self, files: SftpFiles, path: Path, file: asyncssh.SFTPClientFile, at: int = 0) -> None:
        super().__init__()
        self._files = files
        self._path = path
        self._file = file
        self._at = at

    def tell(self) -> int:
        """Where it goes on."""
        return self._at

    def close(self) -> None:
        """Let go of it there, too, which nobody waits for. Errors: `OSError` for what could not be written.

        It is the garbage collector that closes what was forgotten, on any thread: also on that of the loop.
        """
        if self.closed:
            return
        try:
            super().close()  # which flushes
        finally:
            self._files.soon(lambda _: self._file.close(), self._path)

    def _ask(self, act: Act[T]) -> T:
        """Errors: `OSError`."""
        try:
            return self._files.do(act, self._path)
        except Retryable as error:
            raise OSError(errno.EIO, str(error), str(self._path)) from error


class SftpAppender(SftpFile):
    """What is written goes to its end."""

    _forgotten = False

    def __del__(self) -> None:
        self._forgotten = True
        self.close()

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:
        """All of it. Errors: `OSError`."""
        content = bytes(data)
        self._ask(lambda _: self._file.write(content, self._at))
        self._at += len(content)
        return len(content)

    def flush(self) -> None:
        """On to its disk, where it can be asked for that. Errors: `OSError`."""

        async def act(_: asyncssh.SFTPClient) -> None:
            with suppress(asyncssh.SFTPOpUnsupported):
                await self._file.fsync()

        if not (self.closed or self._forgotten):
            self._ask(act)


class SftpReader(SftpFile):
    """A large file, read piece by piece."""

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As files are. Errors: `OSError`."""
        start = 0
        if whence == os.SEEK_CUR:
            start = self._at
        elif whence == os.SEEK_END:
            start = self._ask(lambda _: self._file.stat()).size or 0
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        """The next piece. Errors: `OSError`."""
        piece = self._ask(lambda _: self._file.read(len(buffer), self._at))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)
