"""Take turns at asking a connection about all that runs there, so that two workers do not ask it the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum

from django.db.models import Q
from django.utils import timezone

from connections.models import Connection
from connections.queries import living_connections
from queues.leases import LEASE, renewed


class Turn(StrEnum):
    """What is asked, as the column that says until when a worker is about it."""

    OBSERVE = "observing_until"
    COMPARE = "comparing_until"
    COMPARE_SAMPLERS = "comparing_samplers_until"


@contextmanager
def turn_at(connection_pk: int, turn: Turn, *, now: datetime) -> Iterator[Connection | None]:
    """Have the turn; None where another worker has it, or the connection is retired, or left alone for a while.

    It is held for as long as the block takes, and free again soon after its worker died.
    """
    rows = living_connections().filter(pk=connection_pk)
    free = Q(**{turn: None}) | Q(**{f"{turn}__lte": now})
    tried = Q(next_try_at=None) | Q(next_try_at__lte=now)
    if not rows.filter(free & tried).update(**{turn: now + LEASE}):
        yield None
        return
    try:
        with renewed(lambda: bool(rows.update(**{turn: timezone.now() + LEASE})), f"{turn}-{connection_pk}"):
            yield Connection.objects.get(pk=connection_pk)
    finally:
        rows.update(**{turn: None})
