"""`manage connect NAME --kind K --set field=value`: add a connection, or change it, without a browser."""

from __future__ import annotations

import getpass
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts.actors import SYSTEM
from accounts.queries import account_by_id
from connections.domain.add_connection import add_connection
from connections.domain.edit_connection import edit_connection
from connections.domain.lend_connection import lend_connection
from connections.kinds import KINDS
from connections.management.secret_options import add_secret_options, told_secret
from connections.models import Connection
from connections.queries import find_connection
from wire.errors import InvalidArgument, Refusal


class Command(BaseCommand):
    """The same command twice changes nothing the second time, so that it can stand in what sets a machine up."""

    help = (
        "Add a connection; where there is one of that name, change what is told. Its secret is read, never an argument."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the arguments."""
        parser.add_argument("name", help="its id, for ever")
        parser.add_argument("--kind", required=True, help=f"one of {', '.join(KINDS)}")
        parser.add_argument("--display-name", help="what people read; the name unless told")
        parser.add_argument(
            "--set", action="append", default=[], metavar="FIELD=VALUE", help="a setting of the kind; may be repeated"
        )
        add_secret_options(parser, holds="the secret")
        parser.add_argument("--remove-secret", action="store_true", help="have it be without the secret that it has")
        parser.add_argument(
            "--account", action="append", default=[], metavar="ID", help="an account that may use it; may be repeated"
        )
        parser.add_argument("--for-everyone", action="store_true", help="every account may use it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Refusals are a line each and exit code 1; then nothing was changed."""
        written, secret = _settings(options["set"]), told_secret(options)
        try:
            with transaction.atomic():
                self.stdout.write(self._connect(options, written, secret))
        except InvalidArgument as refusal:
            raise CommandError("\n".join(f"{each.field}: {each.description}" for each in refusal.violations)) from None
        except Refusal as refusal:
            raise CommandError(refusal.message) from None

    def _connect(self, options: dict[str, Any], written: dict[str, str], secret: str) -> str:
        row = find_connection(options["name"])
        if row is None:
            if options["remove_secret"]:
                raise CommandError(f"There is no connection {options['name']} whose secret could be removed.")
            done = "is added"
            row = add_connection(
                actor=SYSTEM,
                name=options["name"],
                kind=options["kind"],
                display_name=options["display_name"] or "",
                config=written,
                secret=secret or _asked(options["kind"]),
            )
        else:
            done = "says so now"
            _edit(row, options, written, secret)
        if options["for_everyone"] or options["account"]:
            accounts = [account_by_id(name) for name in options["account"]]
            for_everyone = options["for_everyone"]
            lend_connection(actor=SYSTEM, connection=row, for_everyone=for_everyone, accounts=accounts, owner=row.owner)
        return f"The connection {row.name} {done}. `manage check_connection {row.name}` tries it."


def _edit(row: Connection, options: dict[str, Any], written: dict[str, str], secret: str) -> None:
    if row.kind != options["kind"]:
        raise CommandError(f"The connection {row.name} is of the kind {row.kind}, for ever. Choose another name.")
    kind = KINDS[row.kind]
    kept = {name: str(value) for name, value in row.config.items() if name not in kind.locked}
    title = row.display_name if options["display_name"] is None else options["display_name"]
    edit_connection(
        actor=SYSTEM,
        connection=row,
        display_name=title,
        config=kept | written,
        secret=secret,
        remove_secret=options["remove_secret"],
    )


def _settings(given: list[str]) -> dict[str, str]:
    """By field. Errors: `CommandError`."""
    for text in given:
        if "=" not in text:
            raise CommandError(f"--set {text!r} says nothing: write FIELD=VALUE.")
    return {field.strip(): value for field, _, value in (text.partition("=") for text in given)}


def _asked(kind: str) -> str:
    """The secret of a new connection, from whoever sits at the terminal; "" where nobody does or none is needed."""
    chosen = KINDS.get(kind)
    if chosen is None or not chosen.secret_label or chosen.secret_help or not sys.stdin.isatty():
        return ""
    return getpass.getpass(f"{chosen.secret_label}: ").strip()
