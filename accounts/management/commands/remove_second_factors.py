"""`manage remove_second_factors`: let somebody in again who lost the app, the key and the recovery codes."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.actors import SYSTEM
from accounts.domain.remove_second_factors import remove_second_factors
from accounts.queries import user_by_name
from wire.errors import Refusal


class Command(BaseCommand):
    """Remove a user's second factors; the next sign-in asks for none."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whose."""
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        user = user_by_name(options["username"])
        if user is None:
            raise CommandError(f"There is no user {options['username']!r}.")
        try:
            remove_second_factors(actor=SYSTEM, user=user)
        except Refusal as refusal:
            raise CommandError(refusal.message) from None
        self.stdout.write(f"{user} has no second factor any more, and is signed out everywhere.")
