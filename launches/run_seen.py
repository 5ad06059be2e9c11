"""What one look at the process of a recipe sees."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from connections.providers.attempts import Observation
from connections.providers.errors import Retryable
from connections.providers.runs import RunProgress, RunProvider
from connections.providers.states import FINAL
from connections.providers.telemetry import LogChunk, MetricPage
from launches.models import RecipeRun

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class RunSeen:
    """What was seen of a run's process in one look."""

    observation: Observation
    progress: RunProgress
    log: LogChunk
    records: MetricPage


def see_run(run: RecipeRun, runs: RunProvider, *, unread: bool) -> RunSeen:
    """One look; what cannot be read of what is over may be left `unread`. Errors: `ProviderError`."""
    reference = run.attempt.reference
    observation = runs.observe(reference)
    nothing = MetricPage((), run.records_offset)
    try:
        # No other's are numbered after the attempt's.
        records = runs.records(reference, nothing.offset) if run.attempt.launch.spec.get("recipe_beside") else nothing
        return RunSeen(observation, runs.progress(reference), runs.logs(reference, run.log_offset), records)
    except Retryable as error:
        if observation.state not in FINAL or not unread:
            raise
        log.warning("run.unread", run=run.pk, error=str(error))
        return RunSeen(observation, RunProgress(), LogChunk("", run.log_offset), nothing)
