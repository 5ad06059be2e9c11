"""Hint a task. The row is the queue: a hint that is lost is made good by the sweep, so it is never retried."""

from __future__ import annotations

from functools import cache, partial

import redis
from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from queues.afterwards import after_answer
from queues.broker import broker
from queues.leases import Row, overdue


def hint(task: str, row: int, *, delay: float = 0) -> None:
    """Send the task for the row after `delay` seconds; a broker that is down is noted and forgotten."""
    send = partial(current_app.send_task, args=[row], countdown=delay or None, retry=False, ignore_result=True)
    broker.tell("hint.lost", lambda: send(task), task=task, row=row)


def room(most: int) -> int:
    """How many more hints make sense: `most`, less those that wait for a worker already.

    What sweeps would otherwise send for the same rows again, every few seconds, while workers are slow or die, would
    wait in front of the rows that nobody was hinted of. Where the broker does not say, there is room.
    """
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    try:
        waiting = _broker().llen(f"{options['global_keyprefix']}{settings.CELERY_TASK_DEFAULT_QUEUE}")
    except redis.RedisError:
        return most
    return max(0, most - int(waiting))


@cache
def _broker() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1)


def hint_overdue(task: str, rows: QuerySet[Row], *, most: int) -> int:
    """Hint those rows that no hint seems to be under way for. Answers how many."""
    found = overdue(rows, most=most)
    for pk in found:
        hint(task, pk)
    return len(found)


def hint_on_commit(task: str, row: int, *, delay: float = 0) -> None:
    """Send the task once the transaction is committed, so that the worker finds the row, and the request answered.

    It is run `delay` seconds later. Where pages are woken, too, do that first: it does not wait as long for a broker
    that hangs.
    """
    transaction.on_commit(lambda: after_answer(lambda: hint(task, row, delay=delay)))
