"""Hint a task. The row is the queue: a hint that is lost is made good by the sweep, so it is never retried."""

from __future__ import annotations

from functools import partial

from celery import current_app
from django.db import transaction

from queues.broker import broker


def hint(task: str, row: int, *, delay: float = 0) -> None:
    """Send the task for the row after `delay` seconds; a broker that is down is noted and forgotten."""
    send = partial(current_app.send_task, args=[row], countdown=delay or None, retry=False, ignore_result=True)
    broker.tell("hint.lost", lambda: send(task), task=task, row=row)


def hint_on_commit(task: str, row: int) -> None:
    """Send the task once the transaction is committed, so that the worker finds the row.

    Where pages are woken, too, do that first: it does not wait as long for a broker that hangs.
    """
    transaction.on_commit(lambda: hint(task, row))
