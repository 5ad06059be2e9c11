"""A row that is its own entry in the queue: when it is due, who works on it, and how often that went wrong in a row.

Attempts, validations and looks at catalogs are such rows. Whoever works on one holds its lease under a token: results
count under that token alone, and the lease says how long the row is left alone after its worker died. It is renewed for
as long as the worker works, however long that takes.
"""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from django.db import DatabaseError, connection, models
from django.db.models import Q, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from django.utils import timezone

LEASE = timedelta(seconds=20)
ON_TIME = timedelta()
OVERDUE = timedelta(seconds=3)
"""What is late by less has a hint under way as a rule; hinting it again would only lengthen a long queue."""
LONGEST_BACKOFF = timedelta(minutes=1)

log = structlog.get_logger(__name__)


class LeasedRow(models.Model):
    """The columns of such a row; `finished_at` stands in each model beside the outcome."""

    next_check_at = models.DateTimeField(db_default=Now())
    failures = models.PositiveIntegerField(default=0, help_text="Retryable errors in a row.")
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    def give_back(self, *, due: datetime) -> None:
        """Let go of the lease; the row is due again at that time. The caller saves it."""
        self.lease_token = self.lease_until = None
        self.next_check_at = due


Row = TypeVar("Row", bound=LeasedRow)


@dataclass(frozen=True)
class Lease:
    """The right to work on one row."""

    rows: type[LeasedRow]
    pk: int
    token: uuid.UUID

    def renew(self) -> bool:
        """Hold the row for another lease from now on; False where somebody else has taken it since."""
        held = self.rows._default_manager.filter(pk=self.pk, lease_token=self.token)
        return bool(held.update(lease_until=timezone.now() + LEASE))

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew the lease beside the block, so that a single slow call in it does not lose the row."""
        with renewed(self.renew, f"lease-{self.pk}"):
            yield


@contextmanager
def renewed(renew: Callable[[], bool], name: str) -> Iterator[None]:
    """Renew what is held for a lease, again and again beside the block, until it says that it is lost."""
    done = threading.Event()
    keeper = threading.Thread(target=_keep, args=(renew, name, done), name=name, daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()


def _keep(renew: Callable[[], bool], name: str, done: threading.Event) -> None:
    while not done.wait(LEASE.total_seconds() / 3):
        try:
            if not renew():
                return
        except DatabaseError as error:
            log.warning("lease.unrenewed", held=name, error=str(error))
        finally:
            connection.close()


def due(now: datetime, early: timedelta = ON_TIME) -> Q:
    """Rows that a worker may claim: unfinished, due (`early`: soon), and not held."""
    return due_by(now, now + early)


def due_by(now: datetime | Combinable, by: datetime | Combinable) -> Q:
    """The same of what is due by then, which queries may be told later on."""
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    return Q(finished_at__isnull=True, next_check_at__lte=by) & free


def locked(rows: QuerySet[Row]) -> QuerySet[Row]:
    """Those rows for whoever is first; what another holds is passed over. Ask for them in a transaction."""
    return rows.select_for_update(skip_locked=True, of=("self",))


def claim(rows: QuerySet[Row], pk: int, *, now: datetime, early: timedelta = ON_TIME) -> tuple[Row, Lease, bool] | None:
    """Take the lease of a row; None where it is over, not due, or held by another worker. Call it in a transaction.

    What is due within `early` counts as due.
    """
    row = locked(rows).filter(due(now, early), pk=pk).first()
    return None if row is None else take(row, now=now)


def take(row: Row, *, now: datetime) -> tuple[Row, Lease, bool]:
    """Take the lease of a row that is due, and locked by the caller's transaction.

    Also tells whether the worker before did not come back: a token that is still there was left by one that died, or
    was killed because it took too long. That counts as a failure, and should it happen again, the row waits longer.
    """
    abandoned = row.lease_token is not None
    lease = Lease(type(row), row.pk, uuid.uuid4())
    row.lease_token, row.lease_until = lease.token, now + LEASE
    if abandoned:
        log.warning("lease.abandoned", rows=type(row).__name__, row=row.pk)
        row.failures += 1
        row.next_check_at = row.lease_until + backoff(row.failures)
    row.save(update_fields=["lease_token", "lease_until", "failures", "next_check_at"])
    return row, lease, abandoned


def leave_unsynced() -> None:
    """Let this transaction's commit not wait for the disk: a lease that a crash of the database loses is taken anew.

    Whoever had it finds another token, as where it took too long. Nothing but leases may be written in it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit TO off")


def backoff(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: about 1 s, 2 s, 4 s ... up to a minute."""
    seconds = min(LONGEST_BACKOFF.total_seconds(), 2 ** min(failures - 1, 10))
    return timedelta(seconds=seconds * random.uniform(0.75, 1.25))  # noqa: S311


def overdue(rows: QuerySet[Row], *, most: int) -> list[int]:
    """The keys of those rows that no hint seems to be under way for, the longest overdue first."""
    found = rows.filter(due(timezone.now() - OVERDUE)).order_by("next_check_at")
    return list(found.values_list("pk", flat=True)[:most])
