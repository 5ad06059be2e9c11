"""Note which weights a deployment's sampler loaded: by whom, when, and how long that took."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts.actors import SYSTEM, Actor
from accounts.domain.record import record
from deployments.domain.control_deployment import lock_for
from deployments.domain.move_deployment import note
from deployments.models import Deployment

LONGEST_IDENTITY = 400


def note_load(row: Deployment, identity: str, seconds: float | None, *, now: datetime) -> None:
    """Write into the row, which the caller locked and saves, what its sampler is seen to have loaded; what is known
    already changes nothing. Whoever asked for a load last gets the credit.
    """
    identity = identity[:LONGEST_IDENTITY]
    if identity == row.loaded:
        return
    by = replace(SYSTEM, label=row.load_asked_by) if row.load_asked_by else SYSTEM
    row.loaded, row.loaded_at, row.load_seconds = identity, now, seconds
    row.loaded_by, row.load_asked_by = row.load_asked_by, ""
    note(row, f"Loaded {identity}" + ("" if seconds is None else f" in {seconds:.1f} s"), now=now, actor=by)


def note_asker(*, actor: Actor, deployment: Deployment) -> None:
    """A request for a load is passed on for the actor, whose right to it was looked at."""
    Deployment.objects.filter(pk=deployment.pk).update(load_asked_by=actor.label)


@transaction.atomic
def record_load(*, actor: Actor, deployment: Deployment, identity: str, seconds: float | None) -> None:
    """Somebody had weights loaded, and they serve. Errors: `NotFound`, `PermissionDenied`."""
    row, now = lock_for(actor, deployment), timezone.now()
    note_load(row, identity, seconds, now=now)
    row.updated_at = now
    row.save()
    record(actor=actor, verb="load_weights", target=row.name, account=row.account, after={"identity": identity})
