"""Ask a connection, in the background, what it has free."""

from __future__ import annotations

from datetime import datetime

from connections.capacities import stored_capacity
from connections.domain.note_answer import note_answer, note_failure
from connections.models import Connection
from connections.opened import open_provider
from connections.providers.errors import ProviderError, SecretRefused, Unreachable


def refresh_capacity(*, connection: Connection, now: datetime) -> None:
    """Keep what it answers, with the time; what it answered last stays where it does not."""
    if connection.next_try_at is not None and connection.next_try_at > now:
        return
    try:
        capacity = open_provider(connection).capacity()
    except (Unreachable, SecretRefused) as error:
        note_failure(connection=connection, error=error, now=now)
        return
    except ProviderError:
        return
    note_answer(connection=connection)
    Connection.objects.filter(pk=connection.pk).update(capacity=stored_capacity(capacity), capacity_at=now)
