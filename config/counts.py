"""What a web process counts of its requests, for `/metrics`: how long they took and how many are open, by door.

The library looks once, when it is loaded, whether PROMETHEUS_MULTIPROC_DIR names a folder where the processes of one
web server count together, so `config.asgi` chooses that first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from prometheus_client import Gauge, Histogram

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
SECONDS = Histogram(
    "slipway_request_seconds", "From the request to the end of its answer.", ["door", "status"], buckets=_BUCKETS
)
OPEN = Gauge("slipway_requests_open", "Requests in progress.", ["door"], multiprocess_mode="livesum")
_DOORS = (
    ("/events", "events"),
    ("/training/", "gateway"),
    ("/inference/", "inference"),
    ("/hot_load/", "inference"),
    ("/v1/", "api"),
    ("/static/", "static"),
    ("/healthz", "probe"),
    ("/readyz", "probe"),
    ("/statusz", "probe"),
    ("/metrics", "probe"),
)


def door_of(path: str) -> str:
    """Which door a path is: few, whatever anybody asks for. Streams are `events`; what is none of them is `page`."""
    return next((door for prefix, door in _DOORS if path.startswith(prefix)), "page")


@contextlib.contextmanager
def counted(door: str) -> Iterator[None]:
    """Count a request as open for the duration of the block."""
    gauge = OPEN.labels(door)
    gauge.inc()
    try:
        yield
    finally:
        gauge.dec()


def note_request(door: str, status: int, seconds: float) -> None:
    """Count a request that is over; status 0 where nothing was answered."""
    SECONDS.labels(door, f"{status // 100}xx" if status else "none").observe(seconds)
