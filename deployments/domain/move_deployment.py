"""Move a deployment to another state: the only writer of states."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import structlog
from django.db import transaction

from accounts.actors import SYSTEM, Actor
from deployments.models import MOST_EVENTS, Deployment
from deployments.states import DeploymentState, may_move
from launches.live.wake import wake_pages
from wire.errors import FailedPrecondition
from wire.times import rfc3339

log = structlog.get_logger(__name__)
MESSAGES = {
    DeploymentState.CREATING: "Accepted",
    DeploymentState.READY: "Ready",
    DeploymentState.UPDATING: "Updating",
    DeploymentState.FAILED: "Failed",
    DeploymentState.DELETING: "Deleting",
    DeploymentState.DELETED: "Deleted",
}


def move(
    deployment: Deployment, state: DeploymentState, *, now: datetime, detail: str = "", actor: Actor = SYSTEM
) -> None:
    """Write the state and its event into the row, which the caller's transaction has locked, and which it saves.

    Errors: `FailedPrecondition` for a move that `deployments.states` does not allow.
    """
    current = DeploymentState(deployment.state)
    if not may_move(current, state):
        raise FailedPrecondition(f"{deployment.deployment_id} is {current}; it cannot become {state}.")
    deployment.state, deployment.detail, deployment.updated_at = state, detail, now
    if state is DeploymentState.DELETED:
        deployment.finished_at, deployment.log_tail = now, ""
        deployment.model = None  # which may be deleted now
    said = {"deployment": deployment.deployment_id, "uid": str(deployment.uid), "state": str(state)}
    transaction.on_commit(partial(log.info, "deployment.state", actor=actor.label, **said))
    note(deployment, f"{MESSAGES[state]}: {detail}" if detail else MESSAGES[state], now=now, actor=actor)


def note(deployment: Deployment, message: str, *, now: datetime, actor: Actor = SYSTEM) -> None:
    """Add a line to the timeline, and wake the pages that show it; the caller saves the row, in a transaction."""
    line = {"at": rfc3339(now), "message": message, "by": actor.label}
    deployment.events = [*deployment.events, line][-MOST_EVENTS:]
    wake_pages(deployment.account_id, deployment.uid, state=deployment.state)
