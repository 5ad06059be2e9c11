"""Where the files of the models that people made lie, and how they get there and go.

    SLIPWAY_HOME/weights/ACCOUNT/MODEL/           a Hugging Face directory that belongs to Slipway
    SLIPWAY_HOME/weights/ACCOUNT/.part-ROW/       what is being copied: renamed once all of it is there and checked
    SLIPWAY_HOME/weights/ACCOUNT/.part-ROW.merged-RANDOM/    the adapter there folded into its base: renamed instead
    SLIPWAY_HOME/weights/ACCOUNT/.gone-RANDOM/    what is being removed

What is copied comes from a trainer and is hostile: files are taken by their ends, none that Python would run, and each
has to be what its trainer noted when it was saved. Everybody who may enter the account's folder may read what is in it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from django.conf import settings

from connections.providers.checkpoints import CheckpointFile

CHUNK = 4 * 1024 * 1024
_WEIGHTS = ".safetensors"
TAKEN = (_WEIGHTS, ".json", ".txt", ".jinja")
TOKENIZERS = frozenset({"tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "merges.txt", "vocab.txt"})
MANIFEST = "checkpoint.json"
"""The trainer's own note about a checkpoint, which is no part of a model."""
CONFIG, ADAPTER_CONFIG = "config.json", "adapter_config.json"
DEPTH = 3
_PART, _GONE, _UNNAMED, _MERGED, _SIGNED = ".part-", ".gone-", ".manifest", ".merged-", ".manifest.json"
_HEAD, _LARGEST_HEAD = 9, 100_000_000
_ACCOUNT_MODE, _FOLDER_MODE, _FILE_MODE = 0o750, 0o755, 0o644


class WrongWeights(Exception):
    """A file is not what its trainer noted, or is none that a model has; the message is for a person."""


def weights_root() -> Path:
    """The folder of all models."""
    return settings.SLIPWAY_HOME / "weights"


def folder_of(account_id: str, model_id: str) -> Path:
    """Where the files of a model lie once it is ready."""
    return weights_root() / account_id / model_id


def manifest_of(account_id: str, model_id: str) -> Path:
    """Where what is signed about a model lies: beside its files, not among them."""
    return weights_root() / account_id / f"{model_id}{_SIGNED}"


def signed_ids(account_id: str) -> set[str]:
    """The ids under which something was signed."""
    return {path.name.removesuffix(_SIGNED) for path in (weights_root() / account_id).glob(f"[!.]*{_SIGNED}")}


def part_of(account_id: str, row: uuid.UUID) -> Path:
    """Where they are copied to."""
    return weights_root() / account_id / f"{_PART}{row.hex}"


def sorted_out(files: Iterable[CheckpointFile]) -> tuple[list[CheckpointFile], list[str]]:
    """The files that a model takes over, and the paths of those that it leaves."""
    taken: list[CheckpointFile] = []
    left: list[str] = []
    for file in files:
        if _belongs(PurePosixPath(file.path)):
            taken.append(file)
        elif file.path != MANIFEST:
            left.append(file.path)
    return taken, left


def _belongs(path: PurePosixPath) -> bool:
    plain = not path.is_absolute() and 1 <= len(path.parts) <= DEPTH
    plain = plain and all(not part.startswith(".") for part in path.parts)
    return plain and path.name != MANIFEST and (path.suffix in TAKEN or path.name in TOKENIZERS)


def open_part(account_id: str, row: uuid.UUID) -> Path:
    """The folder to copy into, with what was copied before, without what a killed copy left. Errors: `OSError`."""
    part = part_of(account_id, row)
    weights_root().mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    if not part.parent.is_dir():
        part.parent.mkdir(mode=_ACCOUNT_MODE, exist_ok=True)
    part.mkdir(exist_ok=True)
    part.chmod(_FOLDER_MODE)
    for stray in part.rglob(".*"):
        stray.unlink(missing_ok=True)
    return part


def open_merged(account_id: str, row: uuid.UUID) -> Path:
    """An empty folder for the adapter in the part merged into its base; those of merges before go. Errors: `OSError`.

    Each has one of its own: who merged in vain goes on writing for a while.
    """
    part = part_of(account_id, row)
    for before in part.parent.glob(f"{part.name}{_MERGED}*"):
        remove(before)
    merged = part.with_name(f"{part.name}{_MERGED}{uuid.uuid4().hex}")
    merged.mkdir()
    merged.chmod(_FOLDER_MODE)
    return merged


def take_merged(merged: Path) -> tuple[list[CheckpointFile], list[str]]:
    """The files that a merge left, each with its digest and on the disk, and the names of those that no model has.

    The latter are removed. Errors: `WrongWeights`, `OSError`.
    """
    found = [_noted(path) for path in sorted(merged.iterdir()) if path.is_file()]
    taken, left = sorted_out(found)
    for name in left:
        (merged / name).unlink()
    paths = {file.path for file in taken}
    if CONFIG not in paths or not any(path.endswith(_WEIGHTS) for path in paths):
        raise WrongWeights("What the merge left is no model.")
    return taken, left


def _noted(path: Path) -> CheckpointFile:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
        noted = CheckpointFile(path.name, size, digest)
        file.seek(0)
        if path.suffix == _WEIGHTS:
            _refuse_other_formats(file.read(_HEAD), noted)
    return noted


def is_there(part: Path, file: CheckpointFile) -> bool:
    """Whether the file was copied and checked: it has its name from then on."""
    return (part / file.path).is_file()


def copy_file(source: BinaryIO, part: Path, file: CheckpointFile, *, told: Callable[[int], None]) -> None:
    """Copy it into the part and check it while it is copied; `told` is called with the bytes of each piece.

    Errors: `WrongWeights`, `OSError`; then nothing of it is left.
    """
    target = part / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    for folder in target.relative_to(part).parents:
        (part / folder).chmod(_FOLDER_MODE)
    unchecked = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with unchecked.open("xb") as copy:
            _copy(source, copy, file, told)
            copy.flush()
            os.fchmod(copy.fileno(), _FILE_MODE)
            os.fsync(copy.fileno())
        unchecked.rename(target)
    finally:
        unchecked.unlink(missing_ok=True)
    _sync_folder(target.parent)


def _copy(source: BinaryIO, copy: BinaryIO, file: CheckpointFile, told: Callable[[int], None]) -> None:
    digest, size = hashlib.sha256(), 0
    while piece := source.read(CHUNK):
        if not size and file.path.endswith(_WEIGHTS):
            _refuse_other_formats(piece, file)
        size += len(piece)
        if size > file.size_bytes:
            break
        digest.update(piece)
        copy.write(piece)
        told(len(piece))
    if size != file.size_bytes:
        more = "more than" if size > file.size_bytes else f"{size:,} of"
        raise WrongWeights(f"{file.path} holds {more} the {file.size_bytes:,} bytes that its trainer noted.")
    if digest.hexdigest() != file.sha256:
        raise WrongWeights(
            f"{file.path} is not what its trainer saved: its sha256 is {digest.hexdigest()}, and {file.sha256} was "
            "noted."
        )


def _refuse_other_formats(piece: bytes, file: CheckpointFile) -> None:
    """By its first bytes: the length of its header, which is a JSON object."""
    length = int.from_bytes(piece[: _HEAD - 1], "little")
    if len(piece) < _HEAD or piece[_HEAD - 1 : _HEAD] != b"{" or length > min(file.size_bytes, _LARGEST_HEAD):
        raise WrongWeights(f"{file.path} is no file of safetensors.")


def settle(part: Path, account_id: str, model_id: str, *, manifest: bytes) -> None:
    """Give the part the model's name: from now on it is there, and whole, with what is signed about it beside it.

    What lies there already is replaced. Errors: `OSError`.
    """
    final = folder_of(account_id, model_id)
    for stray in part.rglob(".*"):
        stray.unlink(missing_ok=True)
    _sync_folder(part)
    if final.exists():
        remove(final)
    signed = manifest_of(account_id, model_id)
    beside = part.with_name(f"{part.name}{_UNNAMED}")
    with beside.open("wb") as file:
        file.write(manifest)
        os.fchmod(file.fileno(), _FILE_MODE)
        os.fsync(file.fileno())
    beside.rename(signed)
    part.rename(final)
    _sync_folder(final.parent)


def discard_model(account_id: str, model_id: str) -> None:
    """Remove the files of a model, and then what is signed about them: who dies leaves what says whose they were.

    Errors: `OSError`.
    """
    remove(folder_of(account_id, model_id))
    manifest_of(account_id, model_id).unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """Gone at once and as a whole; the bytes after that. Nothing where it is gone already. Errors: `OSError`."""
    gone = folder.with_name(f"{_GONE}{uuid.uuid4().hex}")
    with suppress(FileNotFoundError):
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)  # what stays is taken by the next tidying


def remove_parts(account_id: str, row: uuid.UUID) -> None:
    """Remove whatever lies there of a model that is not being made any more. Errors: `OSError`."""
    for entry, part in leftovers(account_id):
        if part == part_of(account_id, row):
            discard(entry)


def leftovers(account_id: str) -> Iterator[tuple[Path, Path]]:
    """What is being made and removed, or was when somebody died; each with the part that it belongs to."""
    folder = weights_root() / account_id
    for entry in folder.iterdir() if folder.is_dir() else ():
        if entry.name.startswith((_PART, _GONE)):
            yield entry, entry.with_name("." + entry.name[1:].partition(".")[0])


def discard(entry: Path) -> None:
    """Remove such a folder or file. Errors: `OSError`."""
    if entry.is_dir() and not entry.is_symlink():
        remove(entry)
    else:
        entry.unlink(missing_ok=True)


def free_bytes() -> int:
    """What the disk of the models has left for us. Errors: `OSError`."""
    weights_root().mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    return shutil.disk_usage(weights_root()).free


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
