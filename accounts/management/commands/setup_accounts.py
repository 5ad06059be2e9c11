"""`manage setup_accounts`: what a new Slipway starts with. Every start runs it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.domain.setup_accounts import setup_accounts
from accounts.models import User
from accounts.secret_key import secret_weakness
from wire.errors import InvalidArgument, Refusal


class Command(BaseCommand):
    """Makes the first accounts and the first admin where they are missing; else does nothing and says nothing."""

    help = "Make the accounts fireworks and local, and the first admin. Changes nothing that is there."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the admin's password if it was made up: nothing else ever shows it.

        A weak secret key is refused on the first start, when nobody lives on it yet, and said on every later one.
        """
        user = settings.SLIPWAY_ADMIN_USER
        if weakness := secret_weakness():
            if not User.objects.filter(is_superuser=True).exists():
                raise CommandError(weakness)
            self.stderr.write(f"slipway: {weakness}")
        try:
            made_up = setup_accounts(username=user, password=settings.SLIPWAY_ADMIN_PASSWORD)
        except InvalidArgument as refusal:
            variables = {"username": "SLIPWAY_ADMIN_USER", "password": "SLIPWAY_ADMIN_PASSWORD"}
            told = (f"{variables[wrong.field]} cannot be used: {wrong.description}" for wrong in refusal.violations)
            raise CommandError("\n".join(told)) from None
        except Refusal as refusal:
            raise CommandError(refusal.message) from None
        if made_up:
            self.stdout.write(f"Sign in as {user} with the password {made_up} (shown this once; change it there)")
