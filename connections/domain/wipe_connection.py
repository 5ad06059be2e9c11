"""Hide a connection for ever and forget its secret: the part of retiring it that asks nothing of launches."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.actors import Actor, require_superuser
from accounts.domain.record import record
from connections.domain.held import hold
from connections.kinds import KINDS
from connections.models import Connection
from connections.states import ConnectionState
from wire.errors import FailedPrecondition


@transaction.atomic
def wipe_connection(*, actor: Actor, connection: Connection, now: datetime) -> Connection:
    """Its row, name and history stay. The caller holds the row and made sure that nothing is left there.

    Errors: `PermissionDenied` for all but superusers, `NotFound`, `FailedPrecondition` for the one that the set-up
    makes.
    """
    require_superuser(actor)
    row = hold(connection)
    kind = KINDS.get(row.kind)
    if kind is not None and kind.one_only:
        raise FailedPrecondition(f"{row} is part of every Slipway and cannot be retired. Pause it instead.")
    before = {"state": row.state} | ({"secret": "set"} if row.secret else {})
    row.state, row.retired_at, row.secret = ConnectionState.RETIRED, now, ""
    row.pause_reason, row.paused_at = "", None
    row.save(update_fields=["state", "retired_at", "secret", "pause_reason", "paused_at"])
    after = {"state": row.state} | ({"secret": "wiped"} if "secret" in before else {})
    record(actor=actor, verb="retire_connection", target=row.resource_name, account=None, before=before, after=after)
    return row
