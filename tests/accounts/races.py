"""Two transactions at once, in the order that shows whether the second looks before the first is seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from django.db import connection, transaction

from wire.errors import Refusal

PATIENCE_SECONDS = 60.0


def before_commit(first: Callable[[], object], second: Callable[[], object]) -> str:
    """What comes of `second`, begun after `first` was done and before it was committed: "done", or the refusal."""
    outcome: list[str] = []
    thread = threading.Thread(target=_run, args=[second, outcome])
    with transaction.atomic():
        first()
        thread.start()
        _wait_until_it_waits(thread)
    thread.join(PATIENCE_SECONDS)
    return outcome[0]


def _run(act: Callable[[], object], outcome: list[str]) -> None:
    try:
        act()
        outcome.append("done")
    except Refusal as refusal:
        outcome.append(refusal.message)
    finally:
        connection.close()


def _wait_until_it_waits(thread: threading.Thread) -> None:
    """Until the other transaction waits for a lock of this one, or is over, which the outcome then shows."""
    until = time.monotonic() + PATIENCE_SECONDS
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    with connection.cursor() as cursor:
        while thread.is_alive() and time.monotonic() < until:
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
