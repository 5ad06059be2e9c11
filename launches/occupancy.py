"""Reads of what runs, or waits, on a connection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.db.models import Count, QuerySet

from accounts.models import Account
from connections.models import Connection
from connections.providers.states import AttemptState
from launches.models import Attempt, Launch
from launches.states import WAITING

MOST = 100


@dataclass(frozen=True)
class Occupancy:
    """How many attempts that are not over are in which state, on one connection."""

    states: Mapping[str, int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.states.values())

    @property
    def waiting(self) -> int:
        """Those that have begun nowhere."""
        return sum(self.states.get(state, 0) for state in WAITING)

    @property
    def words(self) -> str:
        """`2 run, 1 starts, 3 wait`; `nothing` where there are none."""
        told = (
            _counted(self.states.get(AttemptState.RUNNING, 0), "runs", "run"),
            _counted(self.states.get(AttemptState.CREATING, 0), "starts", "start"),
            _counted(self.waiting, "waits", "wait"),
            _counted(self.states.get(AttemptState.CANCELLING, 0), "ends", "end"),
        )
        return ", ".join(filter(None, told)) or "nothing"


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}" if number else ""


def unfinished_on(connection: Connection, account: Account | None = None) -> QuerySet[Attempt]:
    """Attempts there that are not over, the oldest first; of the account alone where one is given."""
    found = Attempt.objects.filter(finished_at=None, launch__connection=connection).order_by("launch__created_at", "pk")
    return found if account is None else found.filter(launch__account=account)


def occupancies(connections: Collection[Connection], account: Account | None = None) -> dict[str, Occupancy]:
    """By the connection's name, those with nothing there, too. One query."""
    attempts = Attempt.objects.filter(finished_at=None, launch__connection__in=[each.pk for each in connections])
    if account is not None:
        attempts = attempts.filter(launch__account=account)
    counted: dict[str, Counter[str]] = {connection.name: Counter() for connection in connections}
    for name, state, number in attempts.values_list("launch__connection__name", "state").annotate(Count("pk")):
        counted[name][state] = number
    return {name: Occupancy(states) for name, states in counted.items()}


@dataclass(frozen=True)
class Remains:
    """What a connection leaves behind: launches that keep their link to it, and deleted ones with files there."""

    launches: int
    unpurged: int


def remains_of(connection: Connection) -> Remains:
    """Counted over all accounts."""
    there = Launch.objects.filter(connection=connection)
    return Remains(there.count(), there.filter(deleted_at__isnull=False, purged_at=None).count())
