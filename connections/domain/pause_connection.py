"""Let a connection take no new launches for a while."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.actors import Actor, require_superuser
from accounts.domain.record import record
from connections.domain.held import hold
from connections.models import REASON_LENGTH, Connection
from connections.states import ConnectionState
from wire.errors import InvalidArgument, Violation
from wire.texts import unseen_in


@transaction.atomic
def pause_connection(*, actor: Actor, connection: Connection, reason: str, now: datetime) -> Connection:
    """What runs or waits there goes on. A paused one gets the new reason and stays paused since then.

    Errors: `PermissionDenied` for all but superusers, `NotFound`, `InvalidArgument` without a reason, which whoever
    launches reads.
    """
    require_superuser(actor)
    words = reason.strip()
    if not words or len(words) > REASON_LENGTH or unseen_in(words):
        what = f"Say why, in 1 to {REASON_LENGTH} visible characters: whoever launches reads it."
        raise InvalidArgument([Violation("reason", what)])
    row = hold(connection)
    before = {"state": row.state, "reason": row.pause_reason}
    if row.state != ConnectionState.PAUSED:
        row.state, row.paused_at = ConnectionState.PAUSED, now
    row.pause_reason = words
    row.save(update_fields=["state", "paused_at", "pause_reason"])
    record(
        actor=actor,
        verb="pause_connection",
        target=row.resource_name,
        account=None,
        before=before,
        after={"state": row.state, "reason": words},
        reason=words,
    )
    return row
