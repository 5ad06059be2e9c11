"""Let a paused connection take launches again."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor, require_superuser
from accounts.domain.record import record
from connections.domain.held import hold
from connections.models import Connection
from connections.states import ConnectionState


@transaction.atomic
def reopen_connection(*, actor: Actor, connection: Connection) -> Connection:
    """Nothing where it is open. Errors: `PermissionDenied` for all but superusers, `NotFound`."""
    require_superuser(actor)
    row = hold(connection)
    if row.state == ConnectionState.OPEN:
        return row
    before = {"state": row.state, "reason": row.pause_reason}
    row.state, row.paused_at, row.pause_reason = ConnectionState.OPEN, None, ""
    row.save(update_fields=["state", "paused_at", "pause_reason"])
    record(
        actor=actor,
        verb="reopen_connection",
        target=row.resource_name,
        account=None,
        before=before,
        after={"state": row.state},
    )
    return row
