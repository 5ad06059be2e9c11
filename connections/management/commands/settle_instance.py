"""`manage settle_instance`: say which Slipway this is, after it was found in another place than before."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts.actors import SYSTEM
from connections.domain.settle_instance import settle_instance


class Command(BaseCommand):
    """The page Connections has the same as two buttons."""

    help = "Say whether this Slipway is the original, moved, or a copy of one that still runs elsewhere."

    def add_arguments(self, parser: CommandParser) -> None:
        """One of the two has to be said."""
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--original", action="store_true", help="It was moved, and drives what it had started.")
        which.add_argument("--copy", action="store_true", help="What the original started elsewhere is not ours.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prints the id under which it is known from now on."""
        instance = settle_instance(actor=SYSTEM, is_copy=options["copy"])
        self.stdout.write(f"This Slipway is {instance.pk}.")
