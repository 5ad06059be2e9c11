"""How the verbs hold a connection: one at a time, and only while it is there."""

from __future__ import annotations

from django.db import connection as database
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from connections.models import LAUNCH_CONDITIONS, Connection
from connections.states import ConnectionState
from lists.prepared import Given
from wire.errors import FailedPrecondition, NotFound

_KEPT = "FROM connections_connection WHERE id = %s FOR KEY SHARE"


def hold(connection: Connection) -> Connection:
    """The row as it is now, locked, so that no launch is accepted for it meanwhile. Needs a transaction.

    Errors: `NotFound` where it was retired.
    """
    row = Connection.objects.select_for_update(of=("self",)).get(pk=connection.pk)
    if row.state == ConnectionState.RETIRED:
        raise NotFound(f"The connection {row.name} was retired; only its history is left.")
    return row


def require_open(connection: Connection) -> None:
    """Pass where it takes launches now, and will until the transaction ends: many may do so at once, none while `hold`.

    Errors: `FailedPrecondition`, in words.
    """
    row = Connection.objects.raw(f"SELECT * {_KEPT}", [connection.pk])[0]
    if row.closed_because:
        raise FailedPrecondition(f"{row} takes no launches. {row.closed_because}")


def stays_open(connection: Given) -> RawSQL:
    """The same as a column beside what else a query holds: false where `require_open` says why not."""
    met = " AND ".join(f"{each.column} IS NOT DISTINCT FROM %s" for each in LAUNCH_CONDITIONS)
    values = [each.value for each in LAUNCH_CONDITIONS]
    return RawSQL(f"(SELECT {met} {_KEPT})", (*values, connection.place), BooleanField())  # noqa: S611


def hold_order() -> None:
    """Of two verbs that give a name or a place in the order, the second waits for the first. Needs a transaction."""
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('slipway.connections'))")
