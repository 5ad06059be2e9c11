"""Change the order in which launches try the connections."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor, require_superuser
from accounts.domain.record import record
from connections.domain.held import hold, hold_order
from connections.models import Connection
from connections.queries import living_connections


@transaction.atomic
def order_connections(*, actor: Actor, connection: Connection, up: bool) -> None:
    """Move it one place up or down; nothing where it stands there already.

    Errors: `PermissionDenied` for all but superusers, `NotFound`.
    """
    require_superuser(actor)
    hold_order()
    moved = hold(connection)
    row = list(living_connections())
    here = row.index(moved)
    there = here - 1 if up else here + 1
    if not 0 <= there < len(row):
        return
    row[here], row[there] = row[there], row[here]
    for position, each in enumerate(row, 1):
        each.position = position
    Connection.objects.bulk_update(row, ["position"])
    record(
        actor=actor,
        verb="order_connections",
        target=moved.resource_name,
        account=None,
        before={"place": here + 1},
        after={"place": there + 1},
    )
