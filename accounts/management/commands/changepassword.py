"""`manage changepassword USER`: set a password, by whoever runs this Slipway."""

from __future__ import annotations

import getpass
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.domain.change_password import change_password
from accounts.queries import user_by_name
from wire.errors import Refusal


class Command(BaseCommand):
    """In the place of Django's, which notes nothing and leaves API keys as they are."""

    help = "Set a user's password. It ends their sessions; their API keys go on unless told otherwise."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the arguments."""
        parser.add_argument("user", help="user name")
        parser.add_argument("--password-stdin", action="store_true", help="read it from the first line of stdin")
        parser.add_argument("--revoke-keys", action="store_true", help="revoke the user's API keys, too")

    def handle(self, *args: Any, **options: Any) -> None:
        """Refusals are one line and exit code 1."""
        user = user_by_name(options["user"])
        if user is None:
            raise CommandError(f"There is no user {options['user']}. `manage add_member` lets somebody in.")
        password = sys.stdin.readline().rstrip("\r\n") if options["password_stdin"] else _asked_twice()
        try:
            revoked = change_password(
                actor=SYSTEM, user=user, password=password, revoke_keys=options["revoke_keys"], now=timezone.now()
            )
        except Refusal as refusal:
            raise CommandError(refusal.message) from None
        keys = f" API keys revoked: {revoked}." if options["revoke_keys"] else ""
        self.stdout.write(f"The password of {user} is changed, and they are signed out everywhere.{keys}")


def _asked_twice() -> str:
    password = getpass.getpass("Password: ")
    if getpass.getpass("Password (again): ") != password:
        raise CommandError("The two passwords differ; nothing was changed.")
    return password
