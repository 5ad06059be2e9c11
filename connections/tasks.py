"""Celery tasks: each calls one verb."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from connections.domain.refresh_capacity import refresh_capacity
from connections.queries import living_connections

LOOK_AROUND = "connections.look_around"
REFRESH = "connections.refresh"


@shared_task(name=LOOK_AROUND)
def look_around() -> None:
    """Each connection by itself, so that a slow one does not keep the others waiting."""
    for pk in living_connections().values_list("pk", flat=True):
        refresh.apply_async(args=[pk], expires=30)


@shared_task(name=REFRESH)
def refresh(connection_pk: int) -> None:
    """Ask one what it has free."""
    connection = living_connections().filter(pk=connection_pk).first()
    if connection is not None:
        refresh_capacity(connection=connection, now=timezone.now())
