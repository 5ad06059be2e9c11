"""`manage download NAME DIRECTORY`: a checkpoint's or a model's files, checked, as a folder that transformers opens."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.actors import SYSTEM
from catalog.models import TrainedModel
from connections.providers.base import CheckpointKind
from downloads.contents import StoredFile
from launches.domain.release_weights import (
    ARCHIVE,
    Weights,
    note_release,
    refused_in_words,
    release_checkpoint,
    release_model,
)
from launches.models import Checkpoint
from wire.counts import quantity
from wire.errors import NotFound, Refusal
from wire.names import MODEL_FORM, parse_model_name

CHECKPOINT_FORM = "accounts/ACCOUNT/rlorTrainerJobs/JOB/checkpoints/CHECKPOINT"


class Command(BaseCommand):
    """May be repeated: what is there already, and right, is left as it is."""

    help = "Download a checkpoint or a model into a folder, file by file, each compared with its recorded digest."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help=f"{CHECKPOINT_FORM} or {MODEL_FORM}")
        parser.add_argument("directory", type=Path, help="made where it is not there")
        parser.add_argument("--kind", choices=list(CheckpointKind), help="where two checkpoints have one name")

    def handle(self, *args: Any, name: str, directory: Path, kind: str | None, **options: Any) -> None:
        try:
            weights = _find(name, kind)
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


def _find(name: str, kind: str | None) -> Weights:
    """Errors: `Refusal`s."""
    parts = name.split("/")
    if parse_model_name(name):
        model = (
            TrainedModel.objects.select_related("account")
            .filter(account__account_id=parts[1], model_id=parts[3])
            .first()
        )
        if model is None:
            raise NotFound(f"There is no {name} that people made.")
        return release_model(actor=SYSTEM, model=model)
    if parts[::2] != ["accounts", "rlorTrainerJobs", "checkpoints"] or len(parts) != 6:
        raise NotFound(f"{name[:300]!r} is no name to download; use {CHECKPOINT_FORM} or {MODEL_FORM}.")
    rows = Checkpoint.objects.select_related("launch__account", "launch__connection").filter(
        launch__account__account_id=parts[1], launch__job_id=parts[3], name=parts[5]
    )
    found = [row for row in rows if kind in (None, row.kind)]
    if not found:
        raise NotFound(f"There is no {name}.")
    if len(found) > 1:
        raise NotFound(f"There are two of the name {name}; say which, by --kind {' or '.join(CheckpointKind)}.")
    return release_checkpoint(actor=SYSTEM, checkpoint=found[0])
