"""End every trainer that runs on this machine, because the machine's Slipway stops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from django.utils import timezone

from connections.kinds import LOCAL, local_root
from connections.providers.attempts import Reference
from connections.providers.errors import Retryable
from connections.providers.local.trainer_host import Taken, stop_everything
from launches.domain.advance_launch import advance_launch
from launches.models import Attempt
from wire.counts import quantity

GRACE_SECONDS = 4.0


class Command(BaseCommand):
    """Run it once no worker runs any more: `./run` does so as it stops."""

    help = "End all local trainers; their launches become FAILED with the reason HOST_STOPPED and can be resumed."

    def handle(self, *args: Any, **options: Any) -> None:
        """Stop them, then record what became of them. What is left unrecorded, the next start records.

        Stopping asks the database nothing: it may be gone, or the code newer by now than its tables.
        """
        try:
            stopped = stop_everything(local_root(), GRACE_SECONDS)
        except (Taken, Retryable) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{quantity(len(stopped), 'trainer')} ended")
        try:
            _record(stopped)
        except Error as error:
            self.stderr.write(f"Not recorded now, but by the next start: {error}")


def _record(stopped: Sequence[Reference]) -> None:
    for reference in stopped:
        attempts = Attempt.objects.filter(
            launch__connection__kind=LOCAL,
            launch__account__account_id=reference.account,
            launch__job_id=reference.job,
            number=reference.attempt,
            finished_at__isnull=True,
        )
        # The workers are gone, so a lease that one of them held is void.
        attempts.update(next_check_at=timezone.now(), lease_until=None, lease_token=None)
        for pk in attempts.values_list("pk", flat=True):
            advance_launch(pk)
