"""Tell the broker what may be lost, without waiting again for a broker that just did not answer."""

from __future__ import annotations

import time
from collections.abc import Callable

import redis
import structlog
from kombu.exceptions import OperationalError

PAUSE_SECONDS = 0.5
"""Nothing is told for so long after a failure: enough for what one transaction tells, which comes at once."""

log = structlog.get_logger(__name__)


class BrokerNotifier:
    """What a process remembers of its broker: until when (monotonic seconds) there is no use in telling it anything."""

    def __init__(self) -> None:
        self._silent_until = 0.0

    def tell(self, lost: str, say: Callable[[], object], **about: object) -> None:
        """Say it; what the broker does not take is a line of the log named `lost`, and forgotten."""
        if time.monotonic() < self._silent_until:
            log.warning(lost, **about, error="The broker did not answer just before.")
            return
        try:
            say()
        except (OperationalError, redis.RedisError, OSError) as error:
            self._silent_until = time.monotonic() + PAUSE_SECONDS
            log.warning(lost, **about, error=str(error))


broker = BrokerNotifier()
