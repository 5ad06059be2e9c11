"""End the samplers of a deployment until somebody needs one again."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from accounts.domain.record import record
from deployments.domain.control_deployment import lock_for
from deployments.domain.move_deployment import move
from deployments.hints import ADVANCE
from deployments.models import Deployment
from deployments.states import DeploymentState
from queues.hints import hint_on_commit

_RESTING = (DeploymentState.CREATING, DeploymentState.READY, DeploymentState.UPDATING)


@transaction.atomic
def rest_deployment(*, actor: Actor, deployment: Deployment) -> None:
    """None is wanted, whatever the least number is, until a request comes; nothing where that is so, or it failed.

    Errors: `NotFound`, `PermissionDenied`.
    """
    row = lock_for(actor, deployment)
    if not row.replicas or row.state not in _RESTING:
        return
    now = timezone.now()
    row.replicas, row.next_check_at = 0, now
    if row.state != DeploymentState.UPDATING:
        move(row, DeploymentState.UPDATING, now=now, detail="Its samplers are ended.", actor=actor)
    row.save()
    record(actor=actor, verb="rest_deployment", target=row.name, account=row.account, after={"replicas": 0})
    hint_on_commit(ADVANCE, row.pk)
