"""`/metrics`, for Prometheus: how the doors are doing (`config.counts`), and how the whole system is.

What a web process counts is kept in files that all processes of one web server share, so that whichever is asked tells
of all. What the whole system is like is read when it is asked, at most once in a few seconds, and each web server says
the same of it. The address exists where SLIPWAY_METRICS_TOKEN is set, for whoever shows that.
"""

from __future__ import annotations

import hmac
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import redis
from django.conf import settings
from django.db import Error
from django.db.models import Count, Min
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import REGISTRY, Collector

from config.pulses import BEAT_KEY, WORKER_KEY, age_of
from config.version import commit, version
from connections.opened import trainer_host_state
from launches.models import Attempt, Launch
from queues.leases import due

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
REMEMBER_SECONDS = 5.0


def metrics(request: HttpRequest) -> HttpResponse:
    """What Prometheus reads. 404 without a token among the settings, 401 for whoever does not show it."""
    token = settings.SLIPWAY_METRICS_TOKEN
    if not token:
        raise Http404
    shown = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    if not hmac.compare_digest(shown.encode(), token.encode()):
        return HttpResponse("Show SLIPWAY_METRICS_TOKEN as a bearer token.\n", "text/plain", 401)
    registry = CollectorRegistry()
    folder = os.environ.get(FOLDER)
    if folder and Path(folder).is_dir():  # what tidies up temporary folders may have removed it
        _forget_dead(Path(folder))
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    own = b"" if folder else generate_latest(REGISTRY)
    registry.register(system)
    return HttpResponse(
        own + generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4, headers={"Cache-Control": "no-store"}
    )


class System(Collector):
    """What the whole system is like, remembered for a moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: list[Metric] = []
        self._until = 0.0

    def collect(self) -> list[Metric]:
        """The families; those that cannot be asked now are left out."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._found = [*_build(), *_disk(), *_signs_of_life(), *_trainer_host(), *_launches()]
                self._until = time.monotonic() + REMEMBER_SECONDS
            return self._found

    def forget(self) -> None:
        """The next one is asked anew."""
        self._until = 0.0


system = System()


def _gauge(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(f"slipway_{name}", told, value=value)


def _build() -> Iterator[Metric]:
    build = GaugeMetricFamily("slipway_build_info", "Which release answers; always 1.", labels=["version", "commit"])
    build.add_metric([version(), commit()], 1)
    yield build


def _disk() -> Iterator[Metric]:
    usage = shutil.disk_usage(settings.SLIPWAY_HOME)
    yield _gauge("disk_free_bytes", "Free space of the disk under SLIPWAY_HOME.", usage.free)
    yield _gauge("disk_total_bytes", "Size of the disk under SLIPWAY_HOME.", usage.total)
    least = settings.SLIPWAY_LEAST_FREE_MB * 1_000_000
    yield _gauge("disk_least_free_bytes", "Free space below which no launch is accepted.", least)


def _signs_of_life() -> Iterator[Metric]:
    try:
        ages = {"worker": age_of(WORKER_KEY), "beat": age_of(BEAT_KEY)}
    except redis.RedisError:
        yield _gauge("broker_up", "Whether the broker answers.", 0)
        return
    yield _gauge("broker_up", "Whether the broker answers.", 1)
    for name, age in ages.items():
        if age is not None:
            yield _gauge(f"{name}_age_seconds", f"Since the last sign of life of {name}.", age)


def _trainer_host() -> Iterator[Metric]:
    if not settings.SLIPWAY_LOCAL_PROVIDER:
        return
    state = trainer_host_state()
    yield _gauge("trainer_host_up", "Whether trainer-host answers.", state is not None)
    if state is None:
        return
    yield _gauge(
        "trainer_host_drained", "Whether trainer-host starts nothing, as somebody wanted.", bool(state.drained_at)
    )
    running = GaugeMetricFamily("slipway_local_running", "What runs on the machine of trainer-host.", labels=["what"])
    for what, count in state.running.items():
        running.add_metric([what], count)
    yield running


def _launches() -> Iterator[Metric]:
    states = GaugeMetricFamily(
        "slipway_launches", "Launches that are not deleted, by state and connection.", labels=["state", "connection"]
    )
    now = timezone.now()
    try:
        rows = Launch.objects.filter(deleted_at=None).values_list("state", "connection__name").order_by()
        for state, connection, count in rows.annotate(count=Count("pk")):
            states.add_metric([state, connection], count)
        oldest = Attempt.objects.filter(due(now)).aggregate(at=Min("next_check_at"))["at"]
    except Error:
        yield _gauge("database_up", "Whether Postgres answers.", 0)
        return
    yield _gauge("database_up", "Whether Postgres answers.", 1)
    yield states
    waited = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
    yield _gauge("oldest_due_seconds", "How long the attempt waits that has been due for longest.", waited)


def _forget_dead(folder: Path) -> None:
    """What is open is open in a process that lives: one that was killed has closed nothing by itself."""
    for path in folder.glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            multiprocess.mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
        except OSError:
            continue
