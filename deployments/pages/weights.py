"""The weights that a deployment can load from its page: those that its trainer saved for sampling."""

from __future__ import annotations

from connections.providers.checkpoints import CheckpointKind
from deployments.models import Deployment
from deployments.states import DeploymentState
from launches.models import Checkpoint

MOST_WEIGHTS = 50


def loadable(row: Deployment) -> list[Checkpoint]:
    """The newest first; none where no sampler listens that could load them."""
    if row.trainer is None or row.state != DeploymentState.READY or not row.endpoint:
        return []
    found = row.trainer.checkpoints.filter(kind=CheckpointKind.SAMPLER, writing=False)
    return list(found.order_by("-step", "-saved_at", "-pk")[:MOST_WEIGHTS])
