"""`manage apply_catalog FILE [--plan FINGERPRINT] [--renew-fields]`: do what `plan_catalog` says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.actors import SYSTEM
from catalog.domain.apply_catalog import apply_catalog
from catalog.files.plan_text import summary
from catalog.files.problems import DocumentError
from catalog.management.files import add_renewing, read_catalog
from wire.errors import Refusal


class Command(BaseCommand):
    """One transaction: all of the plan, or nothing. Applying the same file again changes nothing."""

    help = "Bring an account's public shapes to what a catalog file says."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="a catalog file; - reads standard input")
        parser.add_argument("--plan", metavar="FINGERPRINT", help="refuse where the plan is another one now")
        add_renewing(parser)

    def handle(self, *args: Any, file: Path, plan: str | None, **options: Any) -> None:
        found = read_catalog(file)
        try:
            done = apply_catalog(
                actor=SYSTEM,
                document=found.document,
                file=found.sha256,
                source=found.source,
                expected=plan,
                renew=options["renew_fields"],
            )
        except DocumentError as error:
            raise CommandError(f"Nothing was changed.\n{error}") from None
        except Refusal as refusal:
            raise CommandError(f"Nothing was changed. {refusal.message}") from None
        self.stdout.write(f"Done: {summary(done, done=True)}." if done.steps else "Nothing to do.")
