"""Let an account have an order of its own in which its launches try the connections that it may use."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor, require
from accounts.domain.record import record
from accounts.models import Account
from accounts.roles import Right
from connections.domain.held import hold_order
from connections.domain.places import move_by_one
from connections.models import Connection, PlaceForAccount
from connections.queries import usable_connections
from wire.errors import NotFound


@transaction.atomic
def order_for_account(*, actor: Actor, account: Account, connection: Connection, up: bool) -> None:
    """Move it one place up or down for this account alone; nothing where it stands there already.

    The first move makes the order the account's own: what superusers order later moves nothing in it, and what is lent
    later comes last. Errors: `PermissionDenied` for all but the account's admins, `NotFound` where it may not use it.
    """
    require(actor, account, Right.ORDER_CONNECTIONS)
    hold_order()
    row = list(usable_connections(account))
    if connection not in row:
        raise NotFound(f"{account} may not use a connection {connection.name!r} (any more).")
    places = move_by_one(row, connection, up=up)
    if places is None:
        return
    PlaceForAccount.objects.filter(account=account).delete()
    PlaceForAccount.objects.bulk_create(
        PlaceForAccount(account=account, connection=each, position=position) for position, each in enumerate(row, 1)
    )
    record(
        actor=actor,
        verb="order_for_account",
        target=connection.resource_name,
        account=account,
        before={"place": places[0]},
        after={"place": places[1]},
    )
