"""The catalog files that come with Slipway, one an account; a newer Slipway may bring newer ones."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

from catalog.files.document import Document
from catalog.files.reader import read_file

_FOLDER = Path(__file__).resolve().parent.parent / "bundled"
BUNDLED_FILES = (_FOLDER / "local.yaml", _FOLDER / "fireworks-public.yaml")


@dataclass(frozen=True)
class BundledFile:
    """One of them, read; `sha256` is that of its bytes."""

    source: str
    sha256: str
    text: str
    document: Document


@functools.cache  # which cannot change while this process runs
def bundled_files() -> dict[str, BundledFile]:
    """All of them by the account that each is of."""
    read = [_read(path) for path in BUNDLED_FILES]
    return {file.document.account_id: file for file in read}


def _read(path: Path) -> BundledFile:
    data = path.read_bytes()
    document = read_file(data, source=path.name)
    return BundledFile(path.name, hashlib.sha256(data).hexdigest(), data.decode(), document)
