"""`manage signing_key`: the public half of the key that this Slipway signs its models with."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from catalog.signatures import own_public_key


class Command(BaseCommand):
    """Alone on standard output, as PEM, for whoever is to verify models elsewhere."""

    help = "Print the public key that the manifests of this Slipway's models are verified with."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(own_public_key(), ending="")
