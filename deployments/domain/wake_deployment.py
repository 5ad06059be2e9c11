"""Bring a deployment back that was scaled to 0."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor, require
from accounts.domain.record import record
from accounts.roles import Right
from deployments.domain.move_deployment import move
from deployments.hints import ADVANCE
from deployments.models import Deployment
from deployments.replicas import wanted_replicas
from deployments.states import DeploymentState
from queues.hints import hint_on_commit

ASLEEP = (DeploymentState.READY, DeploymentState.CREATING, DeploymentState.UPDATING)


@transaction.atomic
def wake_deployment(*, actor: Actor, deployment: Deployment) -> None:
    """A request came, so one replica is wanted again; nothing where one is, or none is allowed.

    What is ending still ends first. Errors: `NotFound`, `PermissionDenied`.
    """
    require(actor, deployment.account, Right.LAUNCH)
    rows = Deployment.objects.select_for_update(of=("self",)).select_related("account")
    row = rows.filter(pk=deployment.pk, replicas=0, max_replicas__gt=0, state__in=ASLEEP).first()
    if row is None:
        return
    now = timezone.now()
    row.replicas, row.stop_asked = wanted_replicas(row.min_replicas, row.max_replicas), row.running
    if row.state != DeploymentState.UPDATING:
        move(row, DeploymentState.UPDATING, now=now, detail="A request came: a cold start.", actor=actor)
    row.next_check_at = now
    row.save()
    record(actor=actor, verb="wake_deployment", target=row.name, account=row.account, after={"replicas": row.replicas})
    hint_on_commit(ADVANCE, row.pk)
