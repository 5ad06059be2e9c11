"""Paths of the shared directory as a login node sees it: `FarPath`, by sftp."""

from __future__ import annotations

import errno
import io
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, BinaryIO

import asyncssh
from asyncssh.constants import FILEXFER_TYPE_DIRECTORY, FILEXFER_TYPE_REGULAR

from connections.providers.slurm.sftp import Act, SftpFiles, T, as_bytes, names_in
from connections.providers.slurm.sftp_streams import SftpAppender, SftpReader
from connections.providers.slurm.ssh import BUSY, LoginNode
from connections.providers.trainer_files.far import FarPath

HOLD_SECONDS = 120
"""How long a lock may be held at most: the machine of who holds it may be gone without a word."""
REMOVE_SECONDS = 50.0
AT_ONCE = 64 * 1024
"""A file of at most so many bytes is read as it is opened."""
BUFFER = 1024 * 1024
MOST_ENTRIES = 100_000
LARGEST_TEXT = 1024 * 1024
LARGEST_FILE = 64 * 1024 * 1024
_NEW = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | asyncssh.FXF_TRUNC


class SftpPath(FarPath):
    """A path that a login node sees; each `SftpFiles` has a class of its own of them."""

    files: SftpFiles

    def _do(self, act: Act[T]) -> T:
        return self.files.do(act, self)

    @property
    def _there(self) -> bytes:
        return os.fsencode(str(self))

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """As sftp knows it: without inode, times in seconds."""
        about = self._do(lambda sftp: sftp.stat(self._there, follow_symlinks=follow_symlinks))
        seconds = about.mtime or 0
        return os.stat_result((about.permissions or 0, 0, 0, 1, 0, 0, about.size or 0, seconds, seconds, seconds))

    def exists(self) -> bool:
        """Whether there is anything."""
        return self._mode() is not None

    def is_dir(self) -> bool:
        """Whether it is a folder, or a link to one."""
        return stat.S_ISDIR(self._mode() or 0)

    def is_file(self) -> bool:
        """Whether it is a regular file, or a link to one."""
        return stat.S_ISREG(self._mode() or 0)

    def _mode(self) -> int | None:
        with suppress(FileNotFoundError):
            return self.stat().st_mode
        return None

    def iterdir(self) -> Iterator[SftpPath]:  # type: ignore[override]
        """What is in the folder, at most a hundred thousand."""
        yield from (self / name for name in self._do(lambda sftp: names_in(sftp, self._there, MOST_ENTRIES)))

    def glob(self, pattern: str) -> Iterator[SftpPath]:  # type: ignore[override]
        """What is there under such names."""
        found: list[SftpPath] = [self]
        is_seen = True
        for part in Path(pattern).parts:
            if is_seen := bool(set(part) & set("*?[")):
                below = [each for path in found if path.is_dir() for each in path.iterdir()]
                found = [each for each in below if fnmatchcase(each.name, part)]
            else:
                found = [path / part for path in found]
        yield from found if is_seen else (path for path in found if path.exists())

    def resolve(self, strict: bool = False) -> SftpPath:
        """Where it really lies, as far as it is there."""
        try:
            return type(self)(os.fsdecode(as_bytes(self._do(lambda sftp: sftp.realpath(self._there)))))
        except FileNotFoundError:
            if strict:
                raise
            return self

    def symlink_to(self, target: Any, target_is_directory: bool = False) -> None:  # noqa: ARG002
        """Make it a link."""
        self._do(lambda sftp: sftp.symlink(os.fsencode(str(target)), self._there))

    def open(self, mode: str = "r", *_: Any, **__: Any) -> Any:
        """To append to; the rest has verbs of its own."""
        if mode != "ab":
            raise TypeError(f"{self} is on another machine.")

        async def act(sftp: asyncssh.SFTPClient) -> SftpAppender:
            attrs = asyncssh.SFTPAttrs(permissions=0o600)
            file = await sftp.open(self._there, asyncssh.FXF_WRITE | asyncssh.FXF_CREAT, attrs, encoding=None)
            return SftpAppender(self.files, self, file, (await file.stat()).size or 0)

        return self._do(act)

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Make the folder."""
        if parents and not self.parent.is_dir():
            self.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._do(lambda sftp: sftp.mkdir(self._there, asyncssh.SFTPAttrs(permissions=mode)))
        except OSError:
            if not self.exists():
                raise
            if not (exist_ok and self.is_dir()):
                raise FileExistsError(errno.EEXIST, "There is something already", str(self)) from None

    def touch(self, mode: int = 0o666, exist_ok: bool = True) -> None:
        """Make it, empty, where it is not there."""

        async def act(sftp: asyncssh.SFTPClient) -> None:
            flags = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | (0 if exist_ok else asyncssh.FXF_EXCL)
            await (await sftp.open(self._there, flags, asyncssh.SFTPAttrs(permissions=mode))).close()

        self._do(act)

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the file."""
        try:
            self._do(lambda sftp: sftp.remove(self._there))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def rename(self, target: Any) -> SftpPath:
        """Give it another name there, in the place of what has it."""
        self._do(lambda sftp: sftp.posix_rename(self._there, os.fsencode(str(target))))
        return type(self)(target)

    def replace(self, target: Any) -> SftpPath:
        """The same."""
        return self.rename(target)

    def read_text(self, *_: Any, **__: Any) -> str:
        """All of a text of ours."""
        with self.open_regular() as file:
            return file.read(LARGEST_TEXT).decode("utf-8", "replace")

    def read_bytes(self) -> bytes:
        """All of it, behind links, too. Errors: `OSError` where it is larger than 64 MiB."""

        async def act(sftp: asyncssh.SFTPClient) -> bytes:
            async with sftp.open(self._there, asyncssh.FXF_READ, encoding=None) as file:
                content = as_bytes(await file.read(LARGEST_FILE + 1))
            if len(content) > LARGEST_FILE:
                raise OSError(errno.EFBIG, f"It has more than {LARGEST_FILE // 2**20} MiB", str(self))
            return content

        return self._do(act)

    def open_regular(self) -> BinaryIO:
        """As `reading.open_regular`; what is small is read at once."""

        async def act(sftp: asyncssh.SFTPClient) -> BinaryIO:
            about = await self.files.regular(sftp, self._there, FILEXFER_TYPE_REGULAR)
            file = await sftp.open(self._there, asyncssh.FXF_READ, encoding=None)
            if (about.size or 0) > AT_ONCE:
                return io.BufferedReader(SftpReader(self.files, self, file), BUFFER)
            try:
                return io.BytesIO(as_bytes(await file.read(AT_ONCE, 0)))
            finally:
                await file.close()

        return self._do(act)

    def open_folder(self) -> SftpFolder:
        """As `reading.open_folder`."""
        self._do(lambda sftp: self.files.regular(sftp, self._there, FILEXFER_TYPE_DIRECTORY))
        return SftpFolder(self)

    def replace_with(self, content: bytes, *, room: Path | None = None) -> None:
        """As `files.write_text`."""
        there, part = self._there, os.fsencode(str(self.with_name(f".{self.name}.{uuid.uuid4().hex}")))

        async def act(sftp: asyncssh.SFTPClient) -> None:
            if room is not None:
                with suppress(asyncssh.SFTPError):
                    await sftp.posix_rename(os.fsencode(str(room)), part)
            try:
                attrs = asyncssh.SFTPAttrs(permissions=0o600)
                async with sftp.open(part, _NEW, attrs, encoding=None) as file:
                    await file.write(content)
                    with suppress(asyncssh.SFTPOpUnsupported):
                        await file.fsync()
                await _put_in_place(sftp, part, there)
            except BaseException:
                with suppress(asyncssh.SFTPError):
                    await sftp.remove(part)
                raise

        self._do(act)

    def remove_tree(self) -> None:
        """By rm, which knows no folder that is too deep."""
        self.files.node.run(["rm", "-rf", "--", str(self)], {}, "", REMOVE_SECONDS)

    @contextmanager
    def locked(self, seconds: float) -> Iterator[object | None]:
        """As `files.locked`: a program there holds it, until it is told or cut off. Errors: as `LoginNode.holding`."""
        if not self.files.turn.acquire(timeout=seconds):
            yield None
            return
        try:
            words = ["flock", f"-E{BUSY}", f"-w{seconds:g}", str(self), "sh", "-c", "echo held; exec cat"]
            with self.files.node.holding(words, seconds, HOLD_SECONDS) as held:
                yield held
        finally:
            self.files.turn.release()


class SftpFolder:
    """An `OpenFolder` there."""

    def __init__(self, path: SftpPath) -> None:
        self._path = path

    def names(self, most: int) -> list[str]:
        """What is in it, at most so many."""
        path = self._path
        return path.files.do(lambda sftp: names_in(sftp, os.fsencode(str(path)), most), path)

    def state(self) -> None:
        """Seconds are too long to tell by them that nothing has changed."""

    def below(self, name: str) -> SftpFolder:
        """The folder of that name in it, which is no link."""
        return (self._path / name).open_folder()

    def open(self, name: str) -> BinaryIO:
        """The regular file of that name in it."""
        return (self._path / name).open_regular()

    def rename(self, name: str, target: Path) -> None:
        """Give what has that name another one elsewhere."""
        (self._path / name).rename(target)

    def close(self) -> None:
        """Nothing is open."""


def sftp_paths(node: LoginNode, root: str) -> type[SftpPath]:
    """The paths that the node sees, which know it."""
    return type("SftpPath", (SftpPath,), {"files": SftpFiles(node, root)})


async def _put_in_place(sftp: asyncssh.SFTPClient, part: bytes, there: bytes) -> None:
    """A folder cannot be replaced by a file; who put one there does not keep us from writing."""
    try:
        await sftp.posix_rename(part, there)
    except asyncssh.SFTPFailure:
        if (await sftp.lstat(there)).type != FILEXFER_TYPE_DIRECTORY:
            raise
        folder, name = os.path.split(there)
        await sftp.posix_rename(there, folder + b"/." + name + b".obstacle-" + uuid.uuid4().hex.encode())
        await sftp.posix_rename(part, there)
