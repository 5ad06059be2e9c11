"""Write the audit log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from accounts.actors import Actor
from accounts.models import Account, AuditEntry, User
from accounts.queries import memberships_of
from wire.names import user_name


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
    entry = entry_of(actor=actor, verb=verb, target=target, account=account, before=before, after=after, reason=reason)
    entry.save(force_insert=True)
    return entry


def record_all(entries: Iterable[AuditEntry]) -> None:
    """Note all of these, in this order, in one statement. Call it as `record`."""
    AuditEntry.objects.bulk_create(entries)


def entry_of(
    *,
    actor: Actor,
    verb: str,
    target: str,
    account: Account | None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
) -> AuditEntry:
    """What `record` notes, not written yet."""
    return AuditEntry(
        account=account,
        actor=actor.user,
        actor_label=actor.label,
        verb=verb,
        target=target,
        before=before,
        after=after,
        reason=reason,
        request_id=actor.request_id,
        address=actor.origin.address or None,
        agent=actor.origin.agent,
    )


def record_about(user: User, *, actor: Actor, verb: str, after: dict[str, Any] | None = None, reason: str = "") -> None:
    """Note that `actor` did `verb` to the user as a person, in the log of each account that they are a member of.

    So it is for the admins of these; of who is a member of none, for superusers.
    """
    accounts: list[Account | None] = [membership.account for membership in memberships_of(user)]
    target = user_name(user.get_username())
    for account in accounts or [None]:
        record(actor=actor, verb=verb, target=target, account=account, after=after, reason=reason)
