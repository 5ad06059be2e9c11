"""Note of a connection, after it was asked about launches, whether it answered."""

from __future__ import annotations

from django.utils import timezone

from connections.domain.note_answer import note_answer, note_failure
from connections.models import Connection
from connections.providers.errors import ProviderError
from launches.models import Attempt


def note_reach(connection: Connection, *, error: ProviderError | None = None) -> None:
    """With an error it did not, or not to us; else what was put off meanwhile is due again."""
    now = timezone.now()
    if error is not None:
        note_failure(connection=connection, error=error, now=now)
    elif note_answer(connection=connection):
        waiting = Attempt.objects.filter(launch__connection=connection, finished_at=None, lease_token=None)
        waiting.filter(next_check_at__gt=now).update(next_check_at=now)
