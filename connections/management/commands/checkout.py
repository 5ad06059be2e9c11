"""`manage checkout NAME --path P --commit C`: offer the recipes of a checkout of the public cookbook; or `--remove`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.actors import SYSTEM
from connections.domain.remove_checkout import remove_checkout
from connections.domain.set_checkout import set_checkout
from connections.models import CookbookCheckout
from connections.providers.official import SDK_VERSION
from wire.errors import InvalidArgument


class Command(BaseCommand):
    """The same command twice changes nothing the second time."""

    help = "Offer the recipes of a checkout of the public cookbook, as they are in one commit."

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the arguments."""
        parser.add_argument("name", help="its id, for ever")
        parser.add_argument("--path", help="the whole path of the folder, which the workers can read")
        parser.add_argument("--commit", help="the commit that counts, whatever is checked out")
        parser.add_argument(
            "--sdk", default=SDK_VERSION, help=f"version of the official SDK; {SDK_VERSION} unless told"
        )
        parser.add_argument("--remove", action="store_true", help="take its recipes away; the folder stays")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        """Refusals are a line each and exit code 1; then nothing was changed."""
        if options["remove"]:
            self._remove(name)
            return
        if not options["path"] or not options["commit"]:
            raise CommandError("Say which it is, by --path and --commit; or --remove it.")
        told = {field: options[field] for field in ("path", "commit", "sdk")}
        try:
            row = set_checkout(actor=SYSTEM, name=name, **told)
        except InvalidArgument as refusal:
            raise CommandError("\n".join(f"{each.field}: {each.description}" for each in refusal.violations)) from None
        self.stdout.write(f"The recipes of {row.name} are those of commit {row.commit[:12]} in {row.path}.")

    def _remove(self, name: str) -> None:
        row = CookbookCheckout.objects.filter(name=name).first()
        if row is None:
            raise CommandError(f"There is no checkout {name!r}.")
        remove_checkout(actor=SYSTEM, checkout=row)
        self.stdout.write(f"The recipes of {name} are offered no more.")
