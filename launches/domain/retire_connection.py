"""Retire a connection: hidden, its secret wiped, for ever."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.actors import Actor, require_superuser
from connections.domain.held import hold
from connections.domain.wipe_connection import wipe_connection
from connections.models import Connection
from launches.occupancy import unfinished_on
from wire.errors import FailedPrecondition


@transaction.atomic
def retire_connection(*, actor: Actor, connection: Connection, now: datetime) -> Connection:
    """Its launches keep their link to it and are as they were; its name is never given again. Trainers there that are
    not known here run on, and are listed no more.

    Errors: `PermissionDenied` for all but superusers, `NotFound`, `FailedPrecondition` while a launch there is not
    over, and for the one that the set-up makes.
    """
    require_superuser(actor)
    row = hold(connection)
    if left := unfinished_on(row).count():
        are = "1 launch there is" if left == 1 else f"{left:,} launches there are"
        raise FailedPrecondition(
            f"{are} not over, and nobody could reach them any more. Pause {row}, cancel what may not go on, and "
            "retire it once it is empty."
        )
    row.unknown_trainers.all().delete()
    return wipe_connection(actor=actor, connection=row, now=now)
