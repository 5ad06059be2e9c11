"""`manage plan_catalog FILE [--json] [--renew-fields]`: what a catalog file would change."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.actors import SYSTEM
from catalog.domain.plan_catalog import plan_catalog
from catalog.files.plan_text import plan_text
from catalog.files.problems import DocumentError
from catalog.management.files import add_renewing, read_catalog
from wire.errors import Refusal

FAILED, SOMETHING_TO_DO = 1, 2


class Command(BaseCommand):
    """Exit code 0: nothing to do; 2: something to do; 1: the file cannot be applied, or was not even read.

    Changes nothing.
    """

    help = "Say what apply_catalog would do with a catalog file. Exit code 2 where there is something to do."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Ends with 1 where the command line is wrong: argparse's own 2 means that there is something to do."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)

        def refuse(message: str) -> NoReturn:
            parser.print_usage(sys.stderr)
            parser.exit(FAILED, f"{parser.prog}: error: {message}\n")

        if parser.called_from_command_line:
            parser.error = refuse  # type: ignore[method-assign]
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="a catalog file; - reads standard input")
        parser.add_argument("--json", action="store_true", help="print JSON; docs/CATALOG.md lists its keys")
        add_renewing(parser)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        found = read_catalog(file)
        try:
            plan = plan_catalog(
                actor=SYSTEM,
                document=found.document,
                file=found.sha256,
                source=found.source,
                renew=options["renew_fields"],
            )
        except DocumentError as error:
            raise CommandError(f"Nothing was changed.\n{error}") from None
        except Refusal as refusal:
            raise CommandError(refusal.message) from None
        self.stdout.write(json.dumps(plan.as_json(), indent=2) if options["json"] else plan_text(plan))
        if plan.steps:
            sys.exit(SOMETHING_TO_DO)
