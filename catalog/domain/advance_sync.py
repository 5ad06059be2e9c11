"""Work off a look that was asked for: claim its row, look, and write down what it came to."""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import transaction
from django.utils import timezone

from accounts.actors import SYSTEM, user_actor
from catalog.domain.note_sync import Look, note_sync
from catalog.domain.sync_catalog import follow_catalog
from catalog.models import SyncRun
from catalog.states import SyncOutcome
from queues import leases
from wire.errors import Conflict

MOST_TRIES = 3
log = structlog.get_logger(__name__)


def advance_sync(run_pk: int) -> None:
    """Nothing where it is over, not due, or another worker sees to it.

    A worker that dies is made good by the next one; a look of which three workers died is given up.
    """
    claimed = _claim(run_pk, timezone.now())
    if claimed is None:
        return
    run, lease = claimed
    look = Look(run.connection, timezone.now(), run.started_by, lease)
    actor = user_actor(run.asked_by) if run.asked_by else SYSTEM
    with lease.kept():
        try:
            if run.failures >= MOST_TRIES:
                given_up = f"{MOST_TRIES} workers that looked did not come back; nothing was changed."
                note_sync(look, outcome=SyncOutcome.FAILED, detail=given_up)
            else:
                follow_catalog(actor, look, expected=run.expected or None, plan_only=run.plan_only)
        except Conflict as taken:
            log.warning("sync.overtaken", run=run.pk, reason=taken.message)


@transaction.atomic
def _claim(run_pk: int, now: datetime) -> tuple[SyncRun, leases.Lease] | None:
    rows = SyncRun.objects.select_related("connection", "asked_by")
    claimed = leases.claim(rows, run_pk, now=now)
    return None if claimed is None else claimed[:2]
