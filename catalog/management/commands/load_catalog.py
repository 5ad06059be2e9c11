"""`manage load_catalog [FILE...] [--if-empty]`: bring the catalog to what documents say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts.actors import SYSTEM
from catalog.document import Document, DocumentError, read_document
from catalog.domain.load_catalog import Loaded, load_catalog
from catalog.models import TrainingShape
from wire.errors import Refusal

BUNDLED = Path(__file__).resolve().parents[2] / "bundled"
BUNDLED_FILES = (BUNDLED / "local.yaml", BUNDLED / "fireworks-public.yaml")


class Command(BaseCommand):
    """All files or none; loading the same files again changes nothing."""

    help = "Load catalog documents (YAML); without a FILE the bundled ones."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
        parser.add_argument("--if-empty", action="store_true", help="do nothing where the catalog has shapes")

    @transaction.atomic
    def handle(self, *args: Any, files: list[Path], if_empty: bool, **options: Any) -> None:
        if if_empty and TrainingShape.objects.exists():
            self.stdout.write("The catalog has shapes already; nothing was loaded.")
            return
        for document in [_read(path) for path in files or BUNDLED_FILES]:
            try:
                self.stdout.write(_sentence(load_catalog(actor=SYSTEM, document=document)))
            except Refusal as refusal:
                raise CommandError(f"{document.account_id}: {refusal.message}") from None


def _read(path: Path) -> Document:
    try:
        return read_document(path.read_text(encoding="utf-8"), source=str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: cannot be read: {error}") from None
    except DocumentError as error:
        raise CommandError(f"Nothing was loaded.\n{error}") from None


def _sentence(loaded: Loaded) -> str:
    there = f"{loaded.account_id}: {loaded.models} base models, {loaded.shapes} shapes"
    if loaded.nothing:
        return f"{there}; nothing changed."
    return (
        f"{there}; {len(loaded.created)} created, {len(loaded.changed)} changed, "
        f"{len(loaded.versions)} versions published."
    )
