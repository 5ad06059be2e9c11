"""Whether a folder holds the model that a manifest is of: nothing changed, nothing missing, nothing more."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from catalog.weights import manifest_of
from wire.manifests import ModelManifest, Unverified, key_digest, public_half, read_manifest

MOST_TOLD = 20


def own_public_key() -> str:
    """The public half of the key that this Slipway signs with, as PEM."""
    return public_half(settings.SLIPWAY_SIGNING_KEY)


def own_key_digest() -> str:
    """What that key is known by."""
    return key_digest(own_public_key())


def own_manifest(account_id: str, model_id: str) -> ModelManifest | None:
    """What this Slipway signed about the files under that id; None where nothing of it can be believed."""
    with suppress(OSError, Unverified):
        return read_manifest(manifest_of(account_id, model_id).read_bytes(), public=own_public_key())
    return None


def differences(folder: Path, manifest: ModelManifest) -> list[str]:
    """What of the folder is not as it was signed, in sentences; nothing is read through a link. Errors: `OSError`."""
    found, there = [], dict(_entries(folder))
    for path in sorted(there.keys() | manifest.digests.keys()):
        if path not in there:
            found.append(f"{path} is missing.")
        elif path not in manifest.digests:
            found.append(f"{path} is not among the files that were signed.")
        elif not there[path]:
            found.append(f"{path} is a link, or no regular file.")
        elif _sha256(folder / path) != manifest.digests[path]:
            found.append(f"{path} was changed.")
    return found


def _entries(folder: Path) -> Iterator[tuple[str, bool]]:
    """Each path below the folder that is no folder itself, and whether it is a regular file."""
    for place, folders, names in os.walk(folder, onerror=_fail):
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in (*names, *links):
            path = Path(place) / name
            yield path.relative_to(folder).as_posix(), path.is_file() and not path.is_symlink()


def _fail(error: OSError) -> None:
    raise error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
