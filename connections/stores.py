"""Where weights are pushed to: a directory of this machine, or a bucket that speaks S3; both by fsspec. No Django.

/srv/models            files below a directory, which has to be there: a disk that is not mounted is no place
s3://bucket/prefix     objects below a prefix of a bucket; at `endpoint` where it is not Amazon's
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from fsspec.implementations.local import LocalFileSystem
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.fsspec import FsspecStore

from wire.errors import Violation
from wire.hosts import is_this_machine

BUCKET = "s3://"
CHUNK = 4 * 1024 * 1024
LEAST_PART, MOST_PARTS = 16 * 1024 * 1024, 9_000
"""Bytes that S3 gets at a time, of which it takes 10,000 a file."""
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[^/]+)*")
_LASTING = ("NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "PermanentRedirect")
_LASTING_HERE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)
_SAID = 300


class StoreError(Exception):
    """It did not do as it was asked this time; the message is for a person."""


class StoreRefusal(StoreError):
    """It does not do so however often it is asked."""


@dataclass(frozen=True)
class StoreAddress:
    """What a superuser said: where it is, and for a bucket how it is reached and with which credential."""

    address: str
    endpoint: str = ""
    region: str = ""
    key_id: str = ""
    secret: str = field(default="", repr=False)

    @property
    def is_bucket(self) -> bool:
        """Whether it speaks S3."""
        return self.address.startswith(BUCKET)

    @property
    def root(self) -> str:
        """The directory, or bucket and prefix."""
        return self.address.removeprefix(BUCKET).rstrip("/")

    def violations(self) -> list[Violation]:
        """All that is wrong with it."""
        return _wrong_bucket(self) if self.is_bucket else _wrong_directory(self)


def _wrong_directory(said: StoreAddress) -> list[Violation]:
    found = []
    path = PurePosixPath(said.address)
    if not path.is_absolute() or ".." in path.parts or len(path.parts) < 2 or not said.address.isprintable():
        sentence = "use a directory by its whole path, such as /srv/models, or a bucket, such as s3://models/team"
        found.append(Violation("address", f"{said.address[:100]!r} is no address of a destination: {sentence}."))
    given = {"endpoint": said.endpoint, "region": said.region, "key_id": said.key_id, "secret": said.secret}
    found += [Violation(name, "It is for buckets; leave it empty for a directory.") for name in given if given[name]]
    return found


def _wrong_bucket(said: StoreAddress) -> list[Violation]:
    found = []
    parts = said.root.split("/")
    if not _BUCKET.fullmatch(said.root) or {".", ".."}.intersection(parts) or not said.root.isprintable():
        found.append(Violation("address", f"{said.address[:100]!r} is no bucket: use one such as s3://models/team."))
    if said.endpoint and not _is_endpoint(said.endpoint):
        rule = "use https://HOST; http:// is for this machine's own addresses, since what is pushed is not to be read"
        found.append(Violation("endpoint", f"{said.endpoint[:100]!r} is not usable: {rule}."))
    for name, value in (("region", said.region), ("key_id", said.key_id), ("secret", said.secret)):
        if not value.isascii() or not value.isprintable() or " " in value:
            found.append(Violation(name, "It holds a character that no such thing has."))
    found += [
        Violation(name, f"The {what} is missing: a bucket is reached with both halves of its credential.")
        for name, what in (("key_id", "access key's id"), ("secret", "secret of the access key"))
        if not getattr(said, name)
    ]
    return found


def _is_endpoint(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    plain = not parts.query and not parts.fragment and parts.username is None and url.isascii() and url.isprintable()
    return plain and bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(host)))


@dataclass(frozen=True)
class Store:
    """Files below an address, by their paths there. Errors of all its verbs: `StoreError`."""

    where: StoreAddress

    def require(self) -> None:
        """Pass where there is something to write into: the directory is never made."""
        with self._in_words():
            if not self.where.is_bucket and not self._files.isdir(self.where.root):
                raise StoreRefusal(
                    f"There is no directory {self.where.root} where the workers run: a disk may not be mounted."
                )

    def sizes(self, folder: str) -> Mapping[str, int]:
        """The files below a folder, by their paths below it, with their bytes; none where it is not there."""
        top = self._at(folder)
        with self._in_words():
            found = self._files.find(top, detail=True)
            return {path.removeprefix(f"{top}/"): int(entry["size"]) for path, entry in found.items()}

    def content(self, path: str, *, most: int) -> bytes | None:
        """Of a small file; None where it is not there, or has more bytes than `most`."""
        with self._in_words():
            try:
                return self._files.cat_file(self._at(path)) if self._files.size(self._at(path)) <= most else None
            except FileNotFoundError:
                return None

    def write(self, path: str, chunks: Iterable[bytes], *, size: int, told: Callable[[int], None]) -> None:
        """The chunks as one file, in place of one that is there; `told` is called with the bytes of each.

        Errors: those of the chunks and of `told`, too; then what is there is not the file.
        """
        options = {"buffer_size": max(LEAST_PART, size // MOST_PARTS)} if self.where.is_bucket else {}
        with self._in_words():
            file = self._files.open(self._at(path), "wb", **options)
        with self._closed_in_words(file):
            for chunk in chunks:
                with self._in_words():
                    file.write(chunk)
                told(len(chunk))
            if not self.where.is_bucket:
                with self._in_words():
                    file.flush()
                    os.fsync(file.fileno())

    def digest(self, path: str) -> str:
        """The sha256 of a file, in hex, as it is read from there."""
        seen = hashlib.sha256()
        with self._in_words(), self._files.open(self._at(path), "rb") as file:
            while chunk := file.read(CHUNK):
                seen.update(chunk)
        return seen.hexdigest()

    def remove(self, path: str) -> None:
        """A file; nothing where it is gone."""
        with self._in_words(), suppress(FileNotFoundError):
            self._files.rm_file(self._at(path))

    def _at(self, path: str) -> str:
        return f"{self.where.root}/{path}"

    @cached_property
    def _files(self) -> Any:
        """The file system of fsspec."""
        if not self.where.is_bucket:
            return LocalFileSystem(auto_mkdir=True, skip_instance_cache=True)
        config = {
            "access_key_id": self.where.key_id,
            "secret_access_key": self.where.secret,
            "region": self.where.region or "us-east-1",
            "checksum_algorithm": "SHA256",  # so that whoever knows that compares each part when it gets it
            **({"endpoint": self.where.endpoint} if self.where.endpoint else {}),
        }
        make: Any = FsspecStore  # whose types know neither of its class's cache nor of other regions than Amazon's
        return make(
            "s3",
            config=config,
            client_options={
                "allow_http": self.where.endpoint.startswith("http:"),
                "connect_timeout": "10s",
                "timeout": "120s",
            },
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=60)},
            skip_instance_cache=True,
        )

    @contextmanager
    def _closed_in_words(self, file: Any) -> Iterator[None]:
        """What is sent is finished where nothing went wrong; else it is closed, and the first error is told."""
        try:
            yield
        except BaseException:
            with suppress(BaseError, OSError):
                file.close()
            raise
        with self._in_words():
            file.close()

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise StoreRefusal(
                f"{self.where.address} refuses the credential, or what it may do: {_said(error)}"
            ) from None
        except BaseError as error:
            lasting = any(word in str(error) for word in _LASTING)
            kind = StoreRefusal if lasting else StoreError
            raise kind(f"{self.where.address} did not take it: {_said(error)}") from None
        except OSError as error:
            kind = StoreRefusal if error.errno in _LASTING_HERE else StoreError
            raise kind(f"{self.where.address} cannot be used: {error.strerror or type(error).__name__}.") from None


def _said(error: BaseException) -> str:
    """Its first line, bounded: what follows is for whoever debugs the library."""
    return str(error).partition("\n")[0].strip()[:_SAID]
