"""Celery tasks: each calls one verb. A lost one is made good by the sweep."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from pushes.domain.advance_push import advance_push
from pushes.domain.sweep_pushes import sweep_pushes
from pushes.hints import PUSH
from queues.hints import hint

LONGEST_FILE = 6 * 3600
"""One file of 100 GB takes 10 MB/s nearly three hours, and as long to be read back."""
LONG = timedelta(seconds=30)
"""What is due later than that is left to the sweep: a message that waits in a worker fills its memory."""


@shared_task(name=PUSH, time_limit=LONGEST_FILE)
def push(push_pk: int) -> None:
    """One step of a push, and a hint for the next."""
    delay = advance_push(push_pk)
    if delay is not None and delay < LONG:
        hint(PUSH, push_pk, delay=delay.total_seconds())


@shared_task(name="pushes.sweep")
def sweep_due_pushes() -> None:
    """Find what is due."""
    sweep_pushes()
