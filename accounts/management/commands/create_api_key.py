"""`manage create_api_key --account A --user U --scope S`: a key for a program, without a browser."""

from __future__ import annotations

from itertools import chain, count
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.actors import SYSTEM
from accounts.domain.create_api_key import DEFAULT_LIFETIME, LIFETIMES, create_api_key
from accounts.queries import account_by_id, key_names_in_use, user_by_name
from accounts.scopes import Scope
from wire.errors import Refusal

DEFAULT_NAME = "command line"
NEVER = "never"


class Command(BaseCommand):
    """Prints the key, alone on standard output: it can be read nowhere else."""

    help = "Make an API key of a member and print it: alone, this once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the arguments."""
        parser.add_argument("--account", required=True, help="account id, such as local")
        parser.add_argument("--user", required=True, help="user name of a member of the account, for whom the key acts")
        parser.add_argument("--scope", required=True, choices=[scope.value for scope in Scope])
        parser.add_argument(
            "--name",
            help=f"what it is for; shown in lists and the audit log; {DEFAULT_NAME!r} unless told, "
            "with a number where that is taken",
        )
        parser.add_argument(
            "--days",
            default=str(DEFAULT_LIFETIME),
            choices=[str(days or NEVER) for days in LIFETIMES],
            help=f"how long it lasts, {DEFAULT_LIFETIME} unless told",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Refusals are one line and exit code 1."""
        user = user_by_name(options["user"])
        if user is None:
            raise CommandError(f"There is no user {options['user']}. `manage add_member` lets somebody in.")
        days, now = options["days"], timezone.now()
        try:
            account = account_by_id(options["account"])
            name = _free_name(key_names_in_use(account, user, now)) if options["name"] is None else options["name"]
            _, secret = create_api_key(
                actor=SYSTEM,
                account=account,
                user=user,
                name=name,
                scope=Scope(options["scope"]),
                now=now,
                days=None if days == NEVER else int(days),
            )
        except Refusal as refusal:
            raise CommandError(refusal.message) from None
        self.stdout.write(secret)


def _free_name(taken: set[str]) -> str:
    """The default name, or the first of "command line 2", "command line 3" that is not taken."""
    names = chain([DEFAULT_NAME], (f"{DEFAULT_NAME} {number}" for number in count(2)))
    return next(name for name in names if name not in taken)
