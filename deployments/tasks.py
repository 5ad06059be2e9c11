"""Celery tasks: each carries an id and calls one verb. A lost task is made good by the sweep."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from deployments.domain.advance_deployment import advance_deployment
from deployments.domain.sweep_deployments import sweep_deployments
from deployments.hints import ADVANCE
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
