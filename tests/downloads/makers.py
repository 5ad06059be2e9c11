"""Files to download, in memory or as they lie on a disk."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from downloads.contents import StoredFile


def make_file(
    path: str = "model.safetensors", content: bytes = b"0123456789", *, now: bytes | None = None
) -> StoredFile:
    """A file that was recorded with that content, and has another one `now`."""
    held = content if now is None else now
    return StoredFile(path, len(content), hashlib.sha256(content).hexdigest(), lambda: io.BytesIO(held))


def make_sparse_file(path: Path, size: int) -> StoredFile:
    """A file of zeros that takes no room. Its digest is not of them, so it is for parts of it only."""
    with path.open("wb") as file:
        file.truncate(size)
    return StoredFile(path.name, size, "0" * 64, lambda: path.open("rb"))
