"""Hint a task. The row is the queue: a hint that is lost is made good by the sweep, so it is never retried."""

from __future__ import annotations

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)

ADVANCE = "launches.advance"
PURGE = "launches.purge"


def hint(task: str, row: int, *, delay: float = 0) -> None:
    """Send the task for the row after `delay` seconds; a broker that is down is noted and forgotten."""
    try:
        current_app.send_task(task, args=[row], countdown=delay or None, retry=False, ignore_result=True)
    except (OperationalError, OSError) as error:
        log.warning("hint.lost", task=task, row=row, error=str(error))


def hint_on_commit(task: str, row: int) -> None:
    """Send the task once the transaction is committed, so that the worker finds the row."""
    transaction.on_commit(lambda: hint(task, row))
