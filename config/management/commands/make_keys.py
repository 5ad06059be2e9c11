"""`manage make_keys`: the keys that a Slipway stands on, in a folder that all of its processes share."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from config.keys import make_keys


class Command(BaseCommand):
    """Makes what is neither given by a variable nor there; what is there stays as it is."""

    help = "Make the secret, the sealing and the signing key in SLIPWAY_HOME where they are neither given nor there."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """One line for each key that was made."""
        for path in make_keys(settings.SLIPWAY_HOME):
            self.stdout.write(f"made {path}")
