"""Find the work that no hint is under way for."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q, QuerySet
from django.utils import timezone

from connections.models import Connection
from connections.opened import open_provider
from connections.providers.errors import ProviderError
from connections.queries import living_connections
from launches.domain.observe_connection import observed_together
from launches.live.hints import ADVANCE, OBSERVE, PURGE, RUN
from launches.models import Attempt, Launch, RecipeRun
from queues.hints import hint, room
from queues.leases import OVERDUE, overdue

MOST_AT_ONCE = 500


def sweep_launches() -> int:
    """Hint every attempt and recipe that is overdue or whose lease ran out, and every deleted launch with something to
    remove. Answers how many were hinted.
    """
    together, most = _connections_to_observe(), room(MOST_AT_ONCE)
    hinted = [(OBSERVE, pk) for pk in together]
    hinted += [(ADVANCE, pk) for pk in overdue(_one_by_one(together), most=most)]
    hinted += [(RUN, pk) for pk in overdue(RecipeRun.objects.all(), most=most)]
    tombstones = (
        Launch.objects.filter(purge_due_at__lte=timezone.now()).order_by("purge_due_at").values_list("pk", flat=True)
    )
    hinted += [(PURGE, pk) for pk in tombstones[:most]]
    for task, pk in hinted:
        hint(task, pk)
    return len(hinted)


def _connections_to_observe() -> list[int]:
    """Those of a kind that sees all attempts at once, where some are due."""
    able = [connection.pk for connection in living_connections() if _sees_many(connection)]
    due_there = observed_together(timezone.now() - OVERDUE).filter(launch__connection__in=able)
    return list(due_there.order_by().values_list("launch__connection", flat=True).distinct())


def _sees_many(connection: Connection) -> bool:
    try:
        return open_provider(connection).capabilities.observes_many
    except ProviderError:
        return False


def _one_by_one(together: Collection[int]) -> QuerySet[Attempt]:
    """Attempts that are not looked at with the others of their connection: to submit or to cancel one takes a call."""
    if not together:
        return Attempt.objects.all()
    only_looked_at = Q(launch__connection__in=together, submitted_at__isnull=False, cancel_requested_at=None)
    return Attempt.objects.exclude(only_looked_at)
