"""Delete a deployment."""

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


@transaction.atomic
def delete_deployment(*, actor: Actor, deployment: Deployment) -> None:
    """A worker ends what runs and removes what is kept; nothing where that was asked for already.

    Errors: `NotFound`, `PermissionDenied`.
    """
    row = lock_for(actor, deployment)
    if row.state == DeploymentState.DELETING:
        return
    now = timezone.now()
    record(actor=actor, verb="delete_deployment", target=row.name, account=row.account, before={"state": row.state})
    move(row, DeploymentState.DELETING, now=now, actor=actor)
    row.next_check_at = now
    row.save()
    hint_on_commit(ADVANCE, row.pk)
