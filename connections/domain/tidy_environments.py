"""Remove the environments of recipes whose checkout is gone, or names another commit by now."""

from __future__ import annotations

from datetime import datetime

import structlog

from connections.models import CookbookCheckout
from connections.opened import place_for_runs
from connections.providers.errors import ProviderError

log = structlog.get_logger(__name__)


def tidy_environments(*, now: datetime) -> None:  # noqa: ARG001 -- none is kept for a time
    """Those that run or wait keep theirs."""
    try:
        runs = place_for_runs()
        if runs is not None:
            runs.keep_environments([row.as_told for row in CookbookCheckout.objects.all()])
    except ProviderError as error:
        log.warning("tidy.postponed", environments=True, error=str(error))
