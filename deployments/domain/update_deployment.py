"""Change how many replicas a deployment may have, or whose weights it loads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from accounts.domain.record import record
from connections.providers.base import Retryable
from deployments.domain.control_deployment import lock_for
from deployments.domain.move_deployment import move
from deployments.hints import ADVANCE
from deployments.models import Deployment
from deployments.placement import NO_SAMPLERS, samplers_at
from deployments.replicas import refuse_bounds, wanted_replicas
from deployments.states import DeploymentState
from launches.domain.tie_launch import tie_launch
from launches.models import Launch
from queues.hints import hint_on_commit
from wire.errors import FailedPrecondition, InvalidArgument


@transaction.atomic
def update_deployment(
    *,
    actor: Actor,
    deployment: Deployment,
    min_replicas: int | None = None,
    max_replicas: int | None = None,
    trainer: Launch | None = None,
    said: dict[str, object] | None = None,
) -> Deployment:
    """What is None stays; with another trainer its sampler is started anew, to load that one's weights.

    One that failed is tried again. Errors: `NotFound`, `PermissionDenied`, `InvalidArgument`; `FailedPrecondition`
    where it is being deleted, its connection cannot run so many, or the trainer runs on another one.
    """
    row = lock_for(actor, deployment)
    if row.state == DeploymentState.DELETING:
        raise FailedPrecondition(f"{row.deployment_id} is being deleted.")
    least = row.min_replicas if min_replicas is None else min_replicas
    most = row.max_replicas if max_replicas is None else max_replicas
    if found := refuse_bounds(least, most):
        raise InvalidArgument(found)
    if most > row.max_replicas and (reasons := _reasons_against(row, most)):
        raise FailedPrecondition(f"{row.connection}: {' '.join(reasons)}")
    before = (row.replicas, row.trainer_id)
    row.min_replicas, row.max_replicas = least, most
    row.replicas = wanted_replicas(least, most) if most and not row.replicas else max(least, min(row.replicas, most))
    if row.replicas and not before[0]:
        row.stop_asked = row.running  # what was told to end ends first, and is no failure
    if trainer and trainer.pk != row.trainer_id:
        _attach(row, trainer)
    row.said |= said or {}
    now = timezone.now()
    if (row.replicas, row.trainer_id) != before or row.state == DeploymentState.FAILED:
        if row.state != DeploymentState.UPDATING:
            move(row, DeploymentState.UPDATING, now=now, actor=actor)
        row.next_check_at = now
        hint_on_commit(ADVANCE, row.pk)
    row.updated_at = now
    row.save()
    after = {"min": least, "max": most, "replicas": row.replicas, "trainer": row.trainer and row.trainer.job_id}
    record(actor=actor, verb="update_deployment", target=row.name, account=row.account, after=after)
    return row


def _reasons_against(row: Deployment, replicas: int) -> Sequence[str]:
    """Why its connection cannot run so many."""
    try:
        samplers = samplers_at(row.connection)
    except Retryable as error:
        return [str(error)]
    return samplers.fits(row.sampler_spec, replicas) if samplers else [NO_SAMPLERS]


def _attach(row: Deployment, trainer: Launch) -> None:
    if trainer.connection_id != row.connection_id:
        raise FailedPrecondition(
            f"{trainer.job_id} runs on {trainer.connection}, and {row.deployment_id} on {row.connection}, where its "
            "weights are not. Create a deployment for it."
        )
    tie_launch(trainer, now=timezone.now())
    row.trainer = trainer
    row.spec = replace(row.sampler_spec, trainer_job=trainer.known_as[1]).as_json()
    row.stop_asked = row.running
