"""Note that a connection says it knows no such job, which is believed once it said so several times in a row."""

from __future__ import annotations

from datetime import datetime, timedelta

from accounts.actors import SYSTEM
from connections.providers.attempts import Observation
from connections.providers.states import AttemptState
from launches.domain.append_event import append_event
from launches.models import Attempt, Launch
from launches.poll import Report
from queues.leases import LONGEST_BACKOFF
from wire.counts import quantity


def is_only_absent(attempt: Attempt, report: Report) -> bool:
    """Whether the report says LOST, and not yet often enough to be believed."""
    seen = report.observation
    return seen is not None and seen.state is AttemptState.LOST and attempt.absences + 1 < report.looks_before_lost


def note_absence(launch: Launch, attempt: Attempt, report: Report, *, now: datetime) -> timedelta:
    """Keep the state that was seen last, and say when it is asked for again: later each time, up to a minute."""
    assert report.observation is not None
    attempt.failures = 0
    attempt.absences += 1
    attempt.absent_since = attempt.absent_since or now
    said, enough = report.observation.detail, quantity(report.looks_before_lost, "time")
    attempt.detail = f"{said} Asked {quantity(attempt.absences, 'time')}; after {enough} in a row it counts as lost."
    if attempt.absences == 1:
        append_event(launch, kind="provider", message=f"Not found on {launch.connection}: {said}", actor=SYSTEM)
    return min(LONGEST_BACKOFF, timedelta(seconds=report.poll_seconds * 2.0**attempt.absences))


def note_presence(launch: Launch, attempt: Attempt, seen: Observation) -> None:
    """What is there (again) is not absent; what is lost stays so since when it was."""
    if attempt.absences and seen.state is not AttemptState.LOST:
        attempt.absences, attempt.absent_since = 0, None
        append_event(launch, kind="provider", message=f"Found again on {launch.connection}", actor=SYSTEM)
