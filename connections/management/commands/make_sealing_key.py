"""`manage make_sealing_key`: a new key for SLIPWAY_SEALING_KEYS."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import Fernet
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Prints it, alone on standard output, and keeps it nowhere."""

    help = "Print a new key that seals secrets of connections. It is kept nowhere."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """One line."""
        self.stdout.write(Fernet.generate_key().decode())
