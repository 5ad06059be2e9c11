"""Take turns at looking at all that runs on a connection, so that two workers do not ask it the same."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

from connections.models import Connection

LONGEST_LOOK = timedelta(seconds=110)
"""Below the time limit of a task, after which its worker is gone for sure."""


def begin_look(connection_pk: int, *, now: datetime) -> Connection | None:
    """Take the turn; None where another worker has it, or the connection is left alone for a while."""
    free = Q(observing_until=None) | Q(observing_until__lte=now)
    tried = Q(next_try_at=None) | Q(next_try_at__lte=now)
    rows = Connection.objects.filter(free & tried, pk=connection_pk)
    return Connection.objects.get(pk=connection_pk) if rows.update(observing_until=now + LONGEST_LOOK) else None


def end_look(connection: Connection) -> None:
    """Give the turn back."""
    Connection.objects.filter(pk=connection.pk).update(observing_until=None)
