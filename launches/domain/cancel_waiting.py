"""Cancel what waits on a connection."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor, require_superuser
from connections.models import Connection
from launches.domain.cancel_launch import request_cancel
from launches.models import Launch
from launches.occupancy import unfinished_on
from launches.states import WAITING


def cancel_waiting(*, actor: Actor, connection: Connection) -> int:
    """Ask for the end of every launch there that has not begun, whosever it is. Returns how many.

    Each in a transaction of its own, so that none waits for the others, and what began meanwhile runs on. Errors:
    `PermissionDenied` for all but superusers.
    """
    require_superuser(actor)
    waiting = unfinished_on(connection).filter(state__in=WAITING).values_list("launch_id", flat=True)
    return sum(_cancel(actor, launch) for launch in list(waiting))


@transaction.atomic
def _cancel(actor: Actor, launch_pk: int) -> bool:
    """Whether it still waited."""
    launch = Launch.objects.select_for_update(of=("self",)).select_related("account").get(pk=launch_pk)
    attempt = launch.attempts.select_for_update().get(number=launch.attempt_count)
    if attempt.state not in WAITING:
        return False
    request_cancel(actor, launch, attempt)
    return True
