"""The one periodic task that keeps Slipway from growing without bound; docs/OPERATIONS.md says what it removes."""

from __future__ import annotations

from datetime import datetime

import structlog
from celery import shared_task
from django.utils import timezone

from accounts.domain.forget_addresses import forget_addresses
from accounts.domain.forget_audit_entries import forget_audit_entries
from accounts.domain.forget_sessions import forget_sessions
from catalog.domain.recount_shapes import recount_shapes
from catalog.domain.tidy_weights import tidy_weights
from connections.domain.tidy_environments import tidy_environments
from datasets.domain.tidy_datasets import tidy_datasets
from deployments.domain.forget_sampler_records import forget_sampler_records
from launches.domain.forget_events import forget_events
from launches.domain.forget_records import forget_records
from publishing.domain.forget_imports import forget_imports

TIDY = "config.tidy"
LONGEST_SECONDS = 50 * 60
"""Ten million records take minutes to delete; it ends before the next hour's begins."""
log = structlog.get_logger(__name__)


@shared_task(name=TIDY, time_limit=LONGEST_SECONDS)
def tidy() -> None:
    """Remove what is older than its setting says, once an hour."""
    tidy_all(now=timezone.now())


def tidy_all(*, now: datetime) -> None:
    """Each kind by itself: one that cannot be tidied now does not keep the others."""
    for verb in (
        forget_sessions, forget_addresses, forget_imports, forget_records, forget_sampler_records, tidy_weights,
        tidy_datasets, tidy_environments, recount_shapes,
        forget_events, forget_audit_entries,
    ):  # fmt: skip
        try:
            verb(now=now)
        except Exception:
            log.exception("tidy.failed", verb=verb.__name__)
