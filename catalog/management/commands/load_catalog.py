"""`manage load_catalog [FILE...] [--if-empty]`: bring the catalog to what documents say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts.actors import SYSTEM
from catalog.domain.apply_catalog import apply_catalog
from catalog.domain.arrange_models import arrange_models
from catalog.files import bundled as bundled_files
from catalog.files.document import Document
from catalog.files.plan import Plan
from catalog.files.plan_text import summary
from catalog.files.problems import DocumentError
from catalog.management.files import read_catalog
from catalog.models import TrainingShape
from wire.counts import quantity
from wire.errors import Refusal


class Command(BaseCommand):
    """All files or none; loading the same files again changes nothing. What no file names stays as it is."""

    help = "Load catalog documents (YAML); without a FILE the bundled ones."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
        parser.add_argument("--if-empty", action="store_true", help="do nothing where the catalog has shapes")

    @transaction.atomic
    def handle(self, *args: Any, files: list[Path], if_empty: bool, **options: Any) -> None:
        if if_empty and TrainingShape.objects.exists():
            arrange_models()  # what connections can do may be another now
            self.stdout.write("The catalog has shapes already; nothing was loaded.")
            return
        for file in [read_catalog(path) for path in files or bundled_files.BUNDLED_FILES]:
            try:
                plan = apply_catalog(
                    actor=SYSTEM, document=file.document, file=file.sha256, source=file.source, prune=False
                )
            except DocumentError as error:
                raise CommandError(f"Nothing was changed.\n{error}") from None
            except Refusal as refusal:
                raise CommandError(f"{file.document.account_id}: {refusal.message}") from None
            self.stdout.write(_sentence(file.document, plan))


def _sentence(document: Document, plan: Plan) -> str:
    models, shapes = quantity(len(document.models), "base model"), quantity(len(document.shapes), "shape")
    there = f"{document.account_id}: {models}, {shapes}"
    if not plan.steps:
        return f"{there}; nothing changed."
    versions = quantity(sum(step.publishes for step in plan.steps), "version")
    return f"{there}; {summary(plan, done=True)}; {versions} published."
