"""Change the common order in which launches try the connections."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor, require_superuser
from accounts.domain.record import record
from connections.domain.held import hold, hold_order
from connections.domain.places import move_by_one
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
    places = move_by_one(row, moved, up=up)
    if places is None:
        return
    for position, each in enumerate(row, 1):
        each.position = position
    Connection.objects.bulk_update(row, ["position"])
    record(
        actor=actor,
        verb="order_connections",
        target=moved.resource_name,
        account=None,
        before={"place": places[0]},
        after={"place": places[1]},
    )
