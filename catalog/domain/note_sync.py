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

KEPT_RUNS = 100
MOST_STEPS = 2_000
_NAMED_ONLY = frozenset({StepKind.ADD, StepKind.ADD_MODEL})
"""Of these the page of what was added tells the rest."""


@dataclass(frozen=True)
class Look:
    """Who asked which connection and when; `started_by` is "" where it was Slipway itself."""

    connection: Connection
    began_at: datetime
    started_by: str


@transaction.atomic
def note_sync(look: Look, *, outcome: SyncOutcome, plan: SyncPlan | None = None, detail: str = "") -> SyncRun:
    """A run that found what the one before it found is counted there, unless something was done."""
    connection, now = look.connection, timezone.now()
    refused = [{"name": line.name, "reason": line.reason} for line in plan.refused] if plan else []
    fingerprint = plan.fingerprint if plan else ""
    last = SyncRun.objects.filter(connection=connection).order_by("-pk").first()
    same = last and (last.outcome, last.fingerprint, last.detail, last.refused) == (
        outcome,
        fingerprint,
        detail,
        refused,
    )
    if last and same and outcome != SyncOutcome.APPLIED:
        last.began_at, last.ended_at, last.times = look.began_at, now, last.times + 1
        last.counts = plan.counts if plan else {}
        last.save(update_fields=["began_at", "ended_at", "times", "counts"])
        return last
    run = SyncRun.objects.create(
        connection=connection,
        outcome=outcome,
        began_at=look.began_at,
        ended_at=now,
        first_at=now,
        counts=plan.counts if plan else {},
        differences=_differences(plan) if plan else [],
        refused=refused,
        fingerprint=fingerprint,
        detail=detail,
        started_by=look.started_by,
    )
    kept = SyncRun.objects.filter(connection=connection).order_by("-pk").values("pk")[:KEPT_RUNS]
    SyncRun.objects.filter(connection=connection).exclude(pk__in=list(kept.values_list("pk", flat=True))).delete()
    return run


def _differences(plan: SyncPlan) -> list[dict[str, Any]]:
    steps = [(sync.plan.account_id, step) for sync in plan.syncs for step in sync.plan.steps]
    return [_step(account, step) for account, step in steps[:MOST_STEPS]]


def _step(account: str, step: PlanStep) -> dict[str, Any]:
    told = step.as_json()
    return {"account": account} | told | ({"fields": []} if step.kind in _NAMED_ONLY else {})
