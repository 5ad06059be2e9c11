"""What callers are told where the database or the broker is out of reach: to wait, as it is no mistake. Pure."""

from __future__ import annotations

import redis
from django.db import InterfaceError, OperationalError, ProgrammingError

DATABASE_LOST = (OperationalError, InterfaceError)
"""No connection, one that broke, or none left of the pool."""
UNASKABLE = (*DATABASE_LOST, ProgrammingError)
"""The same, or its tables are not there yet."""
BROKER_LOST = (redis.ConnectionError, redis.TimeoutError)
RETRY_SECONDS = 2
"""What callers are told to wait."""


FULL = ("53100", "MISCONF")
"""How Postgres and Redis say that they cannot write."""


def outage(error: BaseException | None) -> str:
    """The sentence for an error that an outage made; "" for every other one."""
    if error and (getattr(error.__cause__, "sqlstate", "") in FULL or str(error).startswith(FULL)):
        return "Slipway's disk is full, so nothing can be written; reading goes on. Free some space, then repeat it."
    lost = "database" if isinstance(error, DATABASE_LOST) else "broker" if isinstance(error, BROKER_LOST) else ""
    return f"Slipway cannot ask its {lost}; repeat the request shortly." if lost else ""
