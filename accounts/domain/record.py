"""Write one line of the audit log."""

from __future__ import annotations

from typing import Any

from accounts.actors import Actor
from accounts.models import Account, AuditEntry


def record(
    *,
    actor: Actor,
    verb: str,
    target: str,
    account: Account | None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
) -> AuditEntry:
    """Note that `actor` did `verb` to `target` (a resource name). Call it inside the transaction that does it."""
    return AuditEntry.objects.create(
        account=account,
        actor=actor.user,
        actor_label=actor.label,
        verb=verb,
        target=target,
        before=before,
        after=after,
        reason=reason,
        request_id=actor.request_id,
    )
