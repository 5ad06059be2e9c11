"""Celery tasks: each carries an id and calls one verb. A lost task is made good by the sweep."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from connections.queries import living_connections
from deployments.domain.advance_deployment import advance_deployment
from deployments.domain.reconcile_deployments import reconcile_deployments
from deployments.domain.sweep_deployments import sweep_deployments
from deployments.hints import ADVANCE, RECONCILE
from queues.hints import hint

SOON = timedelta(seconds=5)


@shared_task(name=ADVANCE)
def advance(pk: int) -> None:
    """One step of a deployment, and a hint for the next."""
    delay = advance_deployment(pk)
    if delay is not None and delay < SOON:
        hint(ADVANCE, pk, delay=delay.total_seconds())


@shared_task(name="deployments.sweep")
def sweep() -> None:
    """Find what is due."""
    sweep_deployments()


@shared_task(name="deployments.reconcile_all")
def reconcile_all() -> None:
    """Each connection by itself, so that one that does not answer keeps no other waiting."""
    for pk in living_connections().values_list("pk", flat=True):
        reconcile.apply_async(args=[pk], expires=30)


@shared_task(name=RECONCILE)
def reconcile(connection_pk: int) -> None:
    """Compare with one, because it is time or because of a sampler there that is to end."""
    reconcile_deployments(connection_pk)
