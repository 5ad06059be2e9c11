"""Say who may use a connection."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction

from accounts.actors import Actor, require_superuser
from accounts.domain.record import record
from accounts.models import Account
from connections.domain.held import hold
from connections.models import Connection


@transaction.atomic
def lend_connection(
    *,
    actor: Actor,
    connection: Connection,
    for_everyone: bool,
    accounts: Collection[Account],
    owner: Account | None = None,
) -> Connection:
    """From now on its owner, these accounts, or every account may launch there; what runs there goes on.

    Accounts that gain or lose it read so in their own audit logs. Errors: `PermissionDenied` for all but superusers,
    `NotFound`.
    """
    require_superuser(actor)
    row = hold(connection)
    before = set(row.accounts.all()) | ({row.owner} if row.owner else set())
    after = set(accounts) | ({owner} if owner else set())
    told = _words(row)
    row.for_everyone, row.owner = for_everyone, owner
    row.save(update_fields=["for_everyone", "owner"])
    row.accounts.set(accounts)
    if told == _words(row):
        return row
    log = {"actor": actor, "verb": "lend_connection", "target": row.resource_name}
    record(**log, account=None, before=told, after=_words(row))  # type: ignore[arg-type]
    for account in sorted(before ^ after, key=lambda account: account.account_id):
        record(**log, account=account, before={"lent": account in before}, after={"lent": account in after})  # type: ignore[arg-type]
    return row


def _words(row: Connection) -> dict[str, object]:
    return {
        "forEveryone": row.for_everyone,
        "owner": row.owner.account_id if row.owner else "",
        "accounts": sorted(row.accounts.values_list("account_id", flat=True)),
    }
