"""`manage download NAME DIRECTORY`: a checkpoint's or a model's files, checked, as a folder that transformers opens."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.actors import SYSTEM
from connections.providers.checkpoints import CheckpointKind
from downloads.contents import StoredFile
from launches.domain.release_weights import ARCHIVE, note_release, refused_in_words, release
from launches.queries import find_weights
from wire.counts import quantity
from wire.errors import Refusal
from wire.names import CHECKPOINT_FORM, MODEL_FORM


class Command(BaseCommand):
    """May be repeated: what is there already, and right, is left as it is."""

    help = "Download a checkpoint or a model into a folder, file by file, each compared with its recorded digest."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help=f"{CHECKPOINT_FORM} or {MODEL_FORM}")
        parser.add_argument("directory", type=Path, help="made where it is not there")
        parser.add_argument("--kind", choices=list(CheckpointKind), help="where two checkpoints have one name")

    def handle(self, *args: Any, name: str, directory: Path, kind: str | None, **options: Any) -> None:
        try:
            weights = release(actor=SYSTEM, source=find_weights(name, kind))
            note_release(actor=SYSTEM, weights=weights, path=ARCHIVE)
            for file in weights.files:
                with refused_in_words(weights.name):
                    chunks = None if _has(directory / file.path, file) else file.chunks(0, file.size_bytes)
                    self._keep(directory / file.path, file, chunks)
        except Refusal as refusal:
            raise CommandError(refusal.message) from None
        if weights.manifest:
            directory.resolve().with_name(f"{directory.resolve().name}.manifest.json").write_bytes(weights.manifest)
        self.stdout.write(f"{directory}: {quantity(len(weights.files), 'file')} of {weights.name}")

    def _keep(self, path: Path, file: StoredFile, chunks: Any) -> None:
        """Write it beside its place, and put it there once it is whole. Errors: those of the chunks, `CommandError`."""
        if chunks is None:
            self.stdout.write(f"  {file.path}: there already")
            return
        part = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = part.open("wb")
        except OSError as error:
            raise CommandError(f"{path}: cannot be written: {error.strerror or error}") from None
        try:
            with writer:
                for chunk in chunks:
                    _write(writer, chunk, path)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        self.stdout.write(f"  {file.path}: {quantity(file.size_bytes, 'byte')}")


def _write(writer: Any, chunk: bytes, path: Path) -> None:
    """Errors: `CommandError`, such as for a full disk, which is not the checkpoint's to be blamed for."""
    try:
        writer.write(chunk)
    except OSError as error:
        raise CommandError(f"{path}: cannot be written: {error.strerror or error}") from None


def _has(path: Path, file: StoredFile) -> bool:
    """Whether it is there already as it was recorded."""
    if not path.is_file() or path.stat().st_size != file.size_bytes:
        return False
    with path.open("rb") as there:
        return hashlib.file_digest(there, "sha256").hexdigest() == file.sha256
