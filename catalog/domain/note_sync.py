"""Note what a look at a connection's catalog came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from catalog.domain.plan_sync import SyncPlan
from catalog.files.plan import PlanStep, StepKind
from catalog.models import SyncRun
from catalog.states import SyncOutcome
from connections.models import Connection
from queues.leases import Lease
from wire.errors import Conflict

KEPT_RUNS = 100
MOST_STEPS = 2_000
_NAMED_ONLY = frozenset({StepKind.ADD, StepKind.ADD_MODEL})
"""Of these the page of what was added tells the rest."""


@dataclass(frozen=True)
class Look:
    """Who asked which connection and when; `started_by` is "" where it was Slipway itself.

    `asked` is the lease of the row that a worker works off; None where nobody asked for it beforehand.
    """

    connection: Connection
    began_at: datetime
    started_by: str
    asked: Lease | None = None


def tell_look(look: Look, words: str) -> None:
    """How far it is, for who waits."""
    if look.asked:
        SyncRun.objects.filter(pk=look.asked.pk, lease_token=look.asked.token).update(detail=words)


@transaction.atomic
def note_sync(look: Look, *, outcome: SyncOutcome, plan: SyncPlan | None = None, detail: str = "") -> SyncRun:
    """A run that found what the one before it found is counted there, unless something was done.

    Errors: `Conflict` where another worker has taken the row that was asked for since.
    """
    connection, now = look.connection, timezone.now()
    run = _held(look)
    refused = [line.as_json() for line in plan.refused] if plan else []
    fingerprint = plan.fingerprint if plan else ""
    last = SyncRun.objects.filter(connection=connection, finished_at__isnull=False).order_by("-pk").first()
    same = last and (last.outcome, last.fingerprint, last.detail, last.refused) == (
        outcome,
        fingerprint,
        detail,
        refused,
    )
    if last and same and outcome != SyncOutcome.APPLIED:
        if run.pk:
            run.delete()
        last.began_at, last.finished_at, last.times = look.began_at, now, last.times + 1
        last.counts = plan.counts if plan else {}
        last.save(update_fields=["began_at", "finished_at", "times", "counts"])
        return last
    run.outcome, run.detail, run.fingerprint = outcome, detail, fingerprint
    run.began_at, run.finished_at, run.first_at = look.began_at, now, now
    run.counts = plan.counts if plan else {}
    run.differences, run.refused = _differences(plan) if plan else [], refused
    run.started_by = look.started_by
    run.give_back(due=now)
    run.save()
    kept = SyncRun.objects.filter(connection=connection).order_by("-pk").values("pk")[:KEPT_RUNS]
    SyncRun.objects.filter(connection=connection).exclude(pk__in=list(kept.values_list("pk", flat=True))).delete()
    return run


def _held(look: Look) -> SyncRun:
    """The row that was asked for, locked; a new one where nobody asked."""
    if look.asked is None:
        return SyncRun(connection=look.connection)
    run = SyncRun.objects.select_for_update().filter(pk=look.asked.pk, lease_token=look.asked.token).first()
    if run is None:
        raise Conflict("Another worker has taken this look since.")
    return run


def _differences(plan: SyncPlan) -> list[dict[str, Any]]:
    steps = [(sync.plan.account_id, step) for sync in plan.syncs for step in sync.plan.steps]
    return [_step(account, step) for account, step in steps[:MOST_STEPS]]


def _step(account: str, step: PlanStep) -> dict[str, Any]:
    told = step.as_json()
    return {"account": account} | told | ({"fields": []} if step.kind in _NAMED_ONLY else {})
