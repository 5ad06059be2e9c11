"""What callers are told where the database or the broker is out of reach: to wait, as it is no mistake. Pure."""

from __future__ import annotations

import redis
from django.db import InterfaceError, OperationalError

DATABASE_LOST = (OperationalError, InterfaceError)
"""No connection, one that broke, or none left of the pool."""
BROKER_LOST = (redis.ConnectionError, redis.TimeoutError)
RETRY_SECONDS = 2
"""What callers are told to wait."""


def outage(error: BaseException | None) -> str:
    """The sentence for an error that an outage made; "" for every other one."""
    lost = "database" if isinstance(error, DATABASE_LOST) else "broker" if isinstance(error, BROKER_LOST) else ""
    return f"Slipway cannot ask its {lost}; repeat the request shortly." if lost else ""
