"""Move an attempt to another state: the only writer of states."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import structlog
from django.db import transaction

from accounts.actors import SYSTEM, Actor
from connections.providers.states import FINAL, AttemptState, Reason
from launches.domain.append_event import TimelineLine, append_events
from launches.domain.wake_run import wake_run
from launches.live.wake import wake
from launches.models import Attempt, Launch
from launches.states import may_move
from wire.errors import FailedPrecondition

log = structlog.get_logger(__name__)
MESSAGES = {
    AttemptState.QUEUED: "Accepted",
    AttemptState.PENDING: "Waiting for capacity",
    AttemptState.CREATING: "Preparing the trainer",
    AttemptState.RUNNING: "The trainer runs",
    AttemptState.CANCELLING: "Cancelling",
    AttemptState.COMPLETED: "Completed",
    AttemptState.FAILED: "Failed",
    AttemptState.CANCELLED: "Cancelled",
    AttemptState.REJECTED: "Refused by the provider",
    AttemptState.LOST: "Lost: the provider no longer knows it",
}


def move(
    launch: Launch,
    attempt: Attempt,
    state: AttemptState,
    *,
    now: datetime,
    detail: str = "",
    reason: Reason | None = None,
    actor: Actor = SYSTEM,
) -> None:
    """Write the state, the launch's copy of it, and the event. `launch` must be locked by the caller's transaction.

    Errors: `FailedPrecondition` for a move that `launches.states` does not allow.
    """
    current = AttemptState(attempt.state)
    if not may_move(current, state):
        raise FailedPrecondition(f"{launch.job_id} is {current}; it cannot become {state}.")
    attempt.state, attempt.reason, attempt.detail = state, reason or "", detail
    if state is AttemptState.RUNNING:
        attempt.started_at = now
    if state in FINAL:
        attempt.finished_at, attempt.ready, attempt.endpoint, attempt.queue_position = now, False, "", None
        attempt.silent_since = None
        if attempt.started_at is not None:
            launch.run_seconds += max(0.0, (now - attempt.started_at).total_seconds())
    attempt.save()
    launch.state = state
    data = {"state": state, **({"reason": reason} if reason else {})}
    message = MESSAGES[state] + (f": {detail}" if detail and state in FINAL else "")
    append_events(launch, [TimelineLine("state", message, data)], actor=actor, beside=("state", "run_seconds"))
    if state is AttemptState.CANCELLING or state in FINAL:
        wake_run(launch, attempt)
    wake(launch)
    said = {"job": launch.job_id, "uid": str(launch.uid), "attempt": attempt.number, "reason": str(reason or "")}
    transaction.on_commit(partial(log.info, "launch.state", state=str(state), actor=actor.label, **said))
