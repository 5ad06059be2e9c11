"""Note that a connection answered, did not, or did not take its secret: a state of it, never of what runs there.

After a failure it is left alone for a while, longer after each; what is due there meanwhile is put off.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from connections.models import Connection
from connections.providers.errors import ProviderError, SecretRefused

LONGEST_PAUSE_SECONDS = 120.0
log = structlog.get_logger(__name__)


@transaction.atomic
def note_failure(*, connection: Connection, error: ProviderError, now: datetime) -> datetime:
    """It did not answer, or refused its secret. Answers when it is tried again."""
    row = Connection.objects.select_for_update().get(pk=connection.pk)
    refused = isinstance(error, SecretRefused)
    if row.next_try_at is not None and row.next_try_at > now and refused == row.is_reachable:
        # somebody else has just found the same, if perhaps for another reason, such as an address that was changed
        Connection.objects.filter(pk=row.pk).exclude(last_error=str(error)).update(last_error=str(error))
        return row.next_try_at
    row.failures += 1
    row.unreachable_since = None if refused else row.unreachable_since or now
    row.refused_since = (row.refused_since or now) if refused else row.refused_since
    row.last_error = str(error)
    row.next_try_at = now + _pause(row.failures)
    row.save(update_fields=["failures", "unreachable_since", "refused_since", "last_error", "next_try_at"])
    log.warning("connection.failed", connection=row.name, failures=row.failures, error=row.last_error)
    return row.next_try_at


def note_answer(*, connection: Connection) -> bool:
    """It answered; costs nothing where it did the last time, too. Answers whether it had failed."""
    if connection.failures == 0:
        return False
    Connection.objects.filter(pk=connection.pk).update(
        failures=0, unreachable_since=None, refused_since=None, next_try_at=None, last_error=""
    )
    log.info("connection.answers", connection=connection.name)
    return True


def try_at_once(*, connection: Connection, now: datetime) -> None:
    """Somebody wants to know: where it is left alone for a while, that is over."""
    Connection.objects.filter(pk=connection.pk, next_try_at__gt=now).update(next_try_at=now)


def _pause(failures: int) -> timedelta:
    """About 2 s, 4 s, 8 s ... up to two minutes."""
    seconds = min(LONGEST_PAUSE_SECONDS, 2.0 ** min(failures, 10))
    return timedelta(seconds=seconds * random.uniform(0.75, 1.25))  # noqa: S311
