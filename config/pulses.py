"""Signs of life of worker and beat: beat sends a task every few seconds, a worker takes it, each leaves the time."""

from __future__ import annotations

import time
from typing import Any

import redis
from celery import shared_task
from celery.signals import beat_init, before_task_publish
from django.conf import settings

PULSE = "config.pulse"
PULSE_SECONDS = 20
"""After which a pulse that no worker took is none any more."""
WORKER_KEY = "slipway:pulse:worker"
BEAT_KEY = "slipway:pulse:beat"
BROKER_SECONDS = 0.7
"""How long a probe waits for the broker, to be reached and to answer."""


def open_broker() -> redis.Redis:
    """A connection to the broker that answers soon or fails."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=BROKER_SECONDS,
        socket_timeout=BROKER_SECONDS,
        decode_responses=True,
    )


@shared_task(name=PULSE)
def pulse() -> None:
    """Note that a worker took a task just now."""
    _note(WORKER_KEY)


@before_task_publish.connect
def note_beat(sender: str | None = None, **_: Any) -> None:
    """Note that beat sent its pulse; runs in the beat process, the only sender of that task."""
    if sender == PULSE:
        _note(BEAT_KEY)


@beat_init.connect
def begin(sender: Any, **_: Any) -> None:
    """Send the first pulse at once: the schedule's own first one is due after its first interval."""
    sender.app.send_task(PULSE, expires=PULSE_SECONDS)


def age_of(key: str) -> float | None:
    """Seconds since the key's sign of life; None where there was none yet. Errors: `redis.RedisError`."""
    with open_broker() as broker:
        seen = broker.get(key)
    return None if seen is None else max(0.0, time.time() - float(str(seen)))


def _note(key: str) -> None:
    with open_broker() as broker:
        broker.set(key, time.time())
