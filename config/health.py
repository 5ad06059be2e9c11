"""`/healthz`: the process answers. `/readyz`: everything that a launch needs is there, or the reason why not.

Everybody may ask, so the answer has our own words only; what a library said of a failed check is a line of the log.
And everybody may ask often, so what was found is good for a moment.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import redis
import structlog
from celery import shared_task
from celery.signals import before_task_publish
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from accounts.tables import mismatch
from launches.space import shortage

PULSE = "config.pulse"
WORKER_KEY = "slipway:pulse:worker"
BEAT_KEY = "slipway:pulse:beat"
WORKER_LIMIT_SECONDS = 30
BEAT_LIMIT_SECONDS = 20
REMEMBER_SECONDS = 1.0

log = structlog.get_logger(__name__)


class NotReady(Exception):
    """A check that failed, in words that everybody may read."""


class RecentChecks:
    """What the checks found, for a moment: one thread looks, the others take what was found before, if anything was."""

    def __init__(self) -> None:
        self._looking = threading.Lock()
        self._found: dict[str, str] = {}
        self._until = 0.0

    def outcomes(self) -> dict[str, str]:
        """Each check with "ok" or the reason why not."""
        if time.monotonic() < self._until or not self._looking.acquire(blocking=not self._found):
            return self._found
        try:
            if time.monotonic() >= self._until:
                self._found = _look()
                self._until = time.monotonic() + REMEMBER_SECONDS
            return self._found
        finally:
            self._looking.release()

    def forget(self) -> None:
        """The next one is asked anew."""
        self._until = 0.0


recent = RecentChecks()


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
    """Each check with its reason; 503 where one fails. A disk that is nearly full is said: pages can be read still."""
    checks = recent.outcomes()
    ready = all(outcome == "ok" for outcome in checks.values())
    body = {"status": "ok" if ready else "unavailable", "checks": checks, "space": shortage() or "ok"}
    return JsonResponse(body, status=200 if ready else 503)


def _look() -> dict[str, str]:
    found: dict[str, str] = {}
    for name, check in _CHECKS.items():
        needed = _NEEDS.get(name, "")
        known = found.get(needed, "ok") == "ok"
        found[name] = _outcome(name, check) if known else f"not known without the {needed}"
    return found


def _outcome(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except NotReady as reason:
        return str(reason)
    except Exception as error:  # whatever goes wrong in a check is its answer
        log.warning("ready.check_failed", check=name, error=str(error) or type(error).__name__)
        return "cannot be asked; the web server's log has the reason"
    return "ok"


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _migrations() -> None:
    if found := mismatch():
        raise NotReady(found)


def _broker_answers() -> None:
    with _broker() as broker:
        broker.ping()


def _age(key: str, limit: int, what: str) -> None:
    with _broker() as broker:
        seen = broker.get(key)
    if seen is None:
        raise NotReady(f"{what} was not seen yet")
    age = time.time() - float(str(seen))
    if age > limit:
        raise NotReady(f"{what} was last seen {age:.0f} s ago (limit {limit} s)")


_CHECKS: dict[str, Callable[[], None]] = {
    "database": _database,
    "migrations": _migrations,
    "broker": _broker_answers,
    "worker": lambda: _age(WORKER_KEY, WORKER_LIMIT_SECONDS, "a worker"),
    "beat": lambda: _age(BEAT_KEY, BEAT_LIMIT_SECONDS, "beat"),
}
_NEEDS = {"migrations": "database", "worker": "broker", "beat": "broker"}
"""The check without which another one is not tried, since it would wait for the same thing once more."""
