"""`manage export_catalog --account A [--output FILE]`: an account's public shapes as a catalog file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.queries import account_by_id
from catalog.files.current import read_current
from catalog.files.export import write_document
from wire.errors import Refusal


class Command(BaseCommand):
    """The same catalog is the same bytes, whenever and wherever it is exported."""

    help = "Write an account's public shapes as a catalog file (YAML), for plan_catalog and apply_catalog."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", required=True, help="whose shapes")
        parser.add_argument("--output", type=Path, metavar="FILE", help="where to write (standard output)")

    def handle(self, *args: Any, account: str, output: Path | None, **options: Any) -> None:
        try:
            text = write_document(read_current(account_by_id(account), public=True).document)
        except Refusal as refusal:
            raise CommandError(refusal.message) from None
        if output is None:
            self.stdout.write(text, ending="")
            return
        try:
            output.write_bytes(text.encode())
        except OSError as error:
            raise CommandError(f"{output}: cannot be written: {error.strerror or error}") from None
