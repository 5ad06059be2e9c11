"""`manage seal_connections`: seal every secret again under the first of SLIPWAY_SEALING_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.actors import SYSTEM
from accounts.domain.seal_second_factors import seal_second_factors
from connections.domain.seal_connections import seal_connections


class Command(BaseCommand):
    """Afterwards the other keys can be taken away."""

    help = "Seal the secrets of connections, destinations and second factors under the first key: older ones can go."

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit code 1 where a secret could not be opened: it stays as it is."""
        sealed, closed = seal_connections(actor=SYSTEM)
        if sealed or not closed:
            self.stdout.write(f"Sealed under the first key: {', '.join(sealed) or 'nothing, there are no secrets'}.")
        factors, locked_out = seal_second_factors(actor=SYSTEM)
        if factors:
            self.stdout.write(f"Secrets of second factors sealed under it, too: {factors}.")
        remedies = []
        if closed:
            remedies.append(
                f"No key opens the secret of {', '.join(closed)}. Put the key back that sealed it, or give the secret "
                "again."
            )
        if locked_out:
            remedies.append(
                f"No key opens the second factor of {', '.join(locked_out)}. Put the key back that sealed it, or let "
                "them set up another one (`manage remove_second_factors`)."
            )
        if remedies:
            raise CommandError(" ".join([*remedies, "Keep the older keys until then."]))
