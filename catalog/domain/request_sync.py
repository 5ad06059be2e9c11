"""Ask for a look at what a connection offers: a worker does it, and the row tells how far it is."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor, require_superuser
from accounts.domain.record import record
from catalog.domain.sync_catalog import open_catalog
from catalog.hints import SYNC
from catalog.models import SyncRun
from catalog.states import SyncOutcome
from connections.domain.held import hold
from connections.models import Connection
from queues.hints import hint_on_commit
from wire.errors import FailedPrecondition


@transaction.atomic
def request_sync(
    *, actor: Actor, connection: Connection, expected: str | None = None, plan_only: bool = False
) -> SyncRun:
    """The row that waits for a worker; `expected` and `plan_only` are those of `sync_catalog`.

    There is one at a time for a connection: while it waits, whoever asks again says what is to be done. Errors:
    `PermissionDenied` for all but superusers, `NotFound` where it was retired, `FailedPrecondition` where it has no
    catalog, or is being looked at just now.
    """
    require_superuser(actor)
    open_catalog(connection)
    row, now = hold(connection), timezone.now()
    run = SyncRun.objects.select_for_update().filter(connection=row, outcome=SyncOutcome.ASKED).first()
    if run and run.lease_until and run.lease_until > now:
        raise FailedPrecondition(f"{row} is being looked at just now. Ask again once that is done.")
    run = run or SyncRun(connection=row, outcome=SyncOutcome.ASKED)
    run.began_at = run.first_at = now
    run.give_back(due=now)  # a worker that died may have left its lease
    run.expected, run.plan_only = expected or "", plan_only
    run.asked_by, run.started_by = actor.user, "" if actor.user is None else actor.label
    run.failures = 0
    run.save()
    if actor.user is not None:
        after = {"planOnly": plan_only} | ({"plan": expected} if expected else {})
        record(actor=actor, verb="request_sync", target=row.resource_name, account=None, after=after)
    hint_on_commit(SYNC, run.pk)
    return run
