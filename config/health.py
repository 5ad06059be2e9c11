"""Probes, each for one purpose. None asks who is there, all answer within two seconds and under any host name.

`/healthz`: this process answers; where it does not, start it anew.
`/readyz`: this process has what it needs to serve: database, tables, keys, files. Where not, send it no requests.
`/statusz`: the whole system: database, broker, worker, beat, trainer-host, disk. Where not, tell somebody: web is not
to blame.

Everybody may ask, so the answers have our own words only; what a library said of a failed check is a line of the log.
And everybody may ask often, so what was found is good for a moment.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import Any

import structlog
from django.conf import settings
from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from accounts.tables import lacking
from config.keys import changed_keys
from config.pulses import BEAT_KEY, WORKER_KEY, age_of, open_broker
from config.version import commit, version
from connections.opened import trainer_host_state
from launches.space import shortage

WORKER_LIMIT_SECONDS = 30
BEAT_LIMIT_SECONDS = 20
REMEMBER_SECONDS = 1.0
PATIENCE_SECONDS = 1.5
"""How long a probe waits for its checks before it answers without them."""

log = structlog.get_logger(__name__)


class NotReady(Exception):
    """A check that failed, in words that everybody may read."""


class RecentChecks:
    """What checks found, for a moment: one thread looks, whoever asks meanwhile waits for it."""

    def __init__(self, checks: Mapping[str, Callable[[], None]], needs: Mapping[str, str]) -> None:
        """`needs` names the check without which another one is not tried: it would wait for the same thing again."""
        self._checks = checks
        self._needs = needs
        self._lock = threading.Lock()
        self._found: dict[str, str] = {}
        self._look: Future[None] | None = None
        self._until = 0.0

    def outcomes(self) -> dict[str, str]:
        """Each check with "ok" or the reason why not; within PATIENCE_SECONDS, whatever hangs."""
        with self._lock:
            if self._look is None or (self._look.done() and time.monotonic() >= self._until):
                self._look, self._found = Future(), {}
                threading.Thread(target=self._run, args=(self._look, self._found), daemon=True).start()
            look, found = self._look, self._found
        wait([look], timeout=PATIENCE_SECONDS)
        late = f"no answer within {PATIENCE_SECONDS} s"
        return {name: found.get(name, late) for name in self._checks}

    def forget(self) -> None:
        """The next one is asked anew."""
        with self._lock:
            self._look = None

    def _run(self, look: Future[None], found: dict[str, str]) -> None:
        try:
            for name, check in self._checks.items():
                needed = self._needs.get(name, "")
                known = found.get(needed, "ok") == "ok"
                found[name] = _outcome(name, check) if known else f"not known without the {needed}"
        finally:
            self._until = time.monotonic() + REMEMBER_SECONDS
            look.set_result(None)
            connection.close()  # this thread's, which goes back to the pool


def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """Whether this process can serve: each check with its reason; 503 where one fails."""
    return _answer(process.outcomes())


def statusz(request: HttpRequest) -> HttpResponse:
    """Whether launches get on: each check with its reason; 503 where one fails, though pages can be read still."""
    return _answer(system.outcomes())


def version_of(request: HttpRequest) -> HttpResponse:
    """Which release answers."""
    return JsonResponse({"version": version(), "commit": commit()})


def forget() -> None:
    """Whatever is asked next is asked anew."""
    process.forget()
    system.forget()


def _answer(checks: Mapping[str, str]) -> JsonResponse:
    fine = all(outcome == "ok" for outcome in checks.values())
    body = {"status": "ok" if fine else "unavailable", "checks": checks}
    return JsonResponse(body, status=200 if fine else 503, headers={"Cache-Control": "no-store"})


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


def _say(found: str) -> None:
    if found:
        raise NotReady(found)


def _static_files() -> None:
    """The list of hashed names as it was read at the start, which is what pages and the server of the files go by."""
    storage: Any = staticfiles_storage
    is_hashed = isinstance(storage, ManifestFilesMixin)
    if is_hashed and not (storage.hashed_files and storage.manifest_storage.exists(storage.manifest_name)):
        raise NotReady("the static files were not collected when this process started: collect them and restart it")


def _broker() -> None:
    with open_broker() as broker:
        broker.ping()


def _trainer_host() -> None:
    """Drained is no fault of it: somebody wanted that, and the launches that wait say so."""
    if settings.SLIPWAY_LOCAL_PROVIDER and trainer_host_state() is None:
        raise NotReady("trainer-host does not answer: what runs on this machine goes on, and nothing is started here")


def _age(key: str, limit: int, what: str) -> None:
    age = age_of(key)
    if age is None:
        raise NotReady(f"{what} was not seen yet")
    if age > limit:
        raise NotReady(f"{what} was last seen {age:.0f} s ago (limit {limit} s)")


process = RecentChecks(
    {
        "keys": lambda: _say(changed_keys()),
        "static": _static_files,
        "database": _database,
        "migrations": lambda: _say(lacking()),
    },
    needs={"migrations": "database"},
)
system = RecentChecks(
    {
        "disk": lambda: _say(shortage()),
        "broker": _broker,
        "worker": lambda: _age(WORKER_KEY, WORKER_LIMIT_SECONDS, "a worker"),
        "beat": lambda: _age(BEAT_KEY, BEAT_LIMIT_SECONDS, "beat"),
        "trainer-host": _trainer_host,
        "database": _database,  # the last one: what hangs holds up those after it
    },
    needs={"worker": "broker", "beat": "broker"},
)
