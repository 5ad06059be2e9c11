"""Files as one tar archive, whose every byte is known from the list of files before any of them is read.

Uncompressed, since weights hardly compress: so it has a length, and a download that broke off goes on where it ended.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Mapping, Sequence
from datetime import datetime

from downloads.contents import Download, StoredFile, length_of


def archive_download(
    folder: str, files: Sequence[StoredFile], *, modified: datetime, beside: Mapping[str, bytes] | None = None
) -> Download:
    """`{folder}.tar` of the files, by path, each below the folder, and of what is `beside` it. The same files make the
    same bytes.
    """
    parts: list[bytes | StoredFile] = []
    for file in sorted(files, key=lambda each: each.path):
        header = _header(f"{folder}/{file.path}", file.size_bytes, modified)
        parts += [header, file, bytes(-file.size_bytes % tarfile.BLOCKSIZE)]
    for name, content in (beside or {}).items():
        parts += [_header(name, len(content), modified), content, bytes(-len(content) % tarfile.BLOCKSIZE)]
    end = 2 * tarfile.BLOCKSIZE
    end += -(sum(map(length_of, parts)) + end) % tarfile.RECORDSIZE
    kept = tuple(part for part in (*parts, bytes(end)) if length_of(part))
    return Download(f"{folder}.tar", kept, f'"{_digest(kept)}"')


def _header(path: str, size: int, modified: datetime) -> bytes:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode, entry.mtime = size, 0o644, int(modified.timestamp())
    return entry.tobuf(tarfile.PAX_FORMAT)


def _digest(parts: Sequence[bytes | StoredFile]) -> str:
    seen = hashlib.sha256(b"tar\n")
    for part in parts:
        seen.update(part.sha256.encode() if isinstance(part, StoredFile) else part)
    return seen.hexdigest()
