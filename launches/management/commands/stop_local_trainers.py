"""End every trainer that runs on this machine, because the machine's Slipway stops."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from connections.kinds import LOCAL
from connections.opened import open_provider
from connections.providers.local.provider import LocalProvider
from connections.queries import living_connections
from launches.domain.advance_launch import advance_launch
from launches.models import Attempt

GRACE_SECONDS = 4.0


class Command(BaseCommand):
    """Run it once no worker runs any more: `./run` does so as it stops."""

    help = "End all local trainers; their launches become FAILED with the reason HOST_STOPPED and can be resumed."

    def handle(self, *args: Any, **options: Any) -> None:
        """Stop them, then record what became of them. What is left unrecorded, the next start records."""
        connection = living_connections().get(kind=LOCAL)
        provider = open_provider(connection)
        assert isinstance(provider, LocalProvider)
        stopped = provider.stop_all(GRACE_SECONDS)
        for reference in stopped:
            attempts = Attempt.objects.filter(
                launch__connection=connection,
                launch__account__account_id=reference.account,
                launch__job_id=reference.job,
                number=reference.attempt,
                finished_at__isnull=True,
            )
            # The workers are gone, so a lease that one of them held is void.
            attempts.update(next_check_at=timezone.now(), lease_until=None, lease_token=None)
            for pk in attempts.values_list("pk", flat=True):
                advance_launch(pk)
        self.stdout.write(f"{len(stopped)} trainers ended")
