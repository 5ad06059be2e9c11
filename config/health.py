"""`/healthz`: the process answers. `/readyz`: everything that a launch needs is there, or the reason why not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import redis
from celery import shared_task
from celery.signals import before_task_publish
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

PULSE = "config.pulse"
WORKER_KEY = "slipway:pulse:worker"
BEAT_KEY = "slipway:pulse:beat"
WORKER_LIMIT_SECONDS = 30
BEAT_LIMIT_SECONDS = 20


def _broker() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2, decode_responses=True)


@shared_task(name=PULSE)
def pulse() -> None:
    """Note that a worker took a task just now."""
    with _broker() as broker:
        broker.set(WORKER_KEY, time.time())


@before_task_publish.connect
def note_beat(sender: str | None = None, **_: Any) -> None:
    """Note that beat sent its pulse; runs in the beat process, the only sender of that task."""
    if sender == PULSE:
        with _broker() as broker:
            broker.set(BEAT_KEY, time.time())


def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """Each check with its reason; 503 where one fails."""
    checks: dict[str, str] = {}
    for name, check in _CHECKS.items():
        needed = _NEEDS.get(name, "")
        checks[name] = _outcome(check) if checks.get(needed, "ok") == "ok" else f"not known without the {needed}"
    ready = all(outcome == "ok" for outcome in checks.values())
    return JsonResponse({"status": "ok" if ready else "unavailable", "checks": checks}, status=200 if ready else 503)


def _outcome(check: Callable[[], None]) -> str:
    try:
        check()
    except Exception as error:  # whatever goes wrong in a check is its answer
        return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
    return "ok"


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _migrations() -> None:
    executor = MigrationExecutor(connection)
    if plan := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise RuntimeError(f"{len(plan)} migrations are not applied; run the migrate command")


def _broker_answers() -> None:
    with _broker() as broker:
        broker.ping()


def _age(key: str, limit: int, what: str) -> None:
    with _broker() as broker:
        seen = broker.get(key)
    if seen is None:
        raise RuntimeError(f"{what} was not seen yet")
    age = time.time() - float(str(seen))
    if age > limit:
        raise RuntimeError(f"{what} was last seen {age:.0f} s ago (limit {limit} s)")


_CHECKS: dict[str, Callable[[], None]] = {
    "database": _database,
    "migrations": _migrations,
    "broker": _broker_answers,
    "worker": lambda: _age(WORKER_KEY, WORKER_LIMIT_SECONDS, "a worker"),
    "beat": lambda: _age(BEAT_KEY, BEAT_LIMIT_SECONDS, "beat"),
}
_NEEDS = {"migrations": "database", "worker": "broker", "beat": "broker"}
"""The check without which another one is not tried, since it would wait for the same thing once more."""
