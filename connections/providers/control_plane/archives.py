"""The files of a tokenizer in the archive that another Slipway packs. Pure; the archive is hostile until it is read."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Mapping

from connections.providers.trainer_files.tokenizers import MOST_BYTES, NAMES


def read_archive(packed: bytes, *, folder: str) -> Mapping[str, bytes]:
    """The files of the folder that make a tokenizer, by name; none where it is no such archive, or too large."""
    files: dict[str, bytes] = {}
    left = MOST_BYTES
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r|gz") as archive:
            for entry in archive:
                left -= max(0, entry.size)
                name = entry.name.removeprefix(f"{folder}/")
                if left < 0:
                    return {}
                if entry.isreg() and name in NAMES and (content := archive.extractfile(entry)):
                    files[name] = content.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError):
        return {}
    return files
