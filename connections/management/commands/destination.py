"""`manage destination NAME --address A`: say where weights may be pushed to, without a browser; or `--remove`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.actors import SYSTEM
from connections.domain.remove_destination import remove_destination
from connections.domain.set_destination import set_destination
from connections.management.secret_options import add_secret_options, told_secret
from connections.models import Destination
from wire.errors import InvalidArgument


class Command(BaseCommand):
    """The same command twice changes nothing the second time."""

    help = "Add or change a directory or bucket that weights are pushed to. Its secret is read, never an argument."

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the arguments."""
        parser.add_argument("name", help="its id, for ever")
        parser.add_argument("--address", help="the whole path of a directory, or s3://BUCKET/PREFIX")
        parser.add_argument("--endpoint", default="", help="of a bucket that is not Amazon's: https://HOST")
        parser.add_argument("--region", default="", help="of a bucket; us-east-1 unless told")
        parser.add_argument("--key-id", default="", help="of a bucket: the id of the access key")
        add_secret_options(parser, holds="the key's secret")
        parser.add_argument("--remove", action="store_true", help="take it away; what lies there stays")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        """Refusals are a line each and exit code 1; then nothing was changed."""
        if options["remove"]:
            self._remove(name)
            return
        if not options["address"]:
            raise CommandError("Say where it is, by --address; or --remove it.")
        told = {field: options[field] for field in ("address", "endpoint", "region", "key_id")}
        try:
            row = set_destination(actor=SYSTEM, name=name, secret=told_secret(options), **told)
        except InvalidArgument as refusal:
            raise CommandError("\n".join(f"{each.field}: {each.description}" for each in refusal.violations)) from None
        self.stdout.write(f"Weights can be pushed to {row.name}, at {row.address}.")

    def _remove(self, name: str) -> None:
        row = Destination.objects.filter(name=name).first()
        if row is None:
            raise CommandError(f"There is no destination {name!r}.")
        remove_destination(actor=SYSTEM, destination=row)
        self.stdout.write(f"{name} is no destination any more; what lies there stays.")
