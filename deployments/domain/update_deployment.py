"""Change how many replicas a deployment may have, or whose weights it loads."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from accounts.domain.record import record
from connections.opened import samplers_at
from connections.providers.errors import Retryable
from deployments.domain.control_deployment import lock_for
from deployments.domain.move_deployment import move
from deployments.hints import ADVANCE
from deployments.models import Deployment
from deployments.placement import NO_SAMPLERS
from deployments.replicas import refuse_bounds, wanted_replicas
from deployments.served import ServedWeights, find_served, hold_served
from deployments.states import DeploymentState
from launches.domain.tie_launch import tie_launch
from launches.models import Launch
from queues.hints import hint_on_commit
from wire.errors import FailedPrecondition, InvalidArgument, Violation


@transaction.atomic
def update_deployment(
    *,
    actor: Actor,
    deployment: Deployment,
    min_replicas: int | None = None,
    max_replicas: int | None = None,
    trainer: Launch | None = None,
    base_model: str | None = None,
    said: dict[str, object] | None = None,
) -> Deployment:
    """What is None stays; with another trainer its sampler is started anew, to load that one's weights.

    So it is to serve another `base_model`, which is whatever `find_served` finds. One that failed is tried again.
    Errors: `NotFound`, `PermissionDenied`, `InvalidArgument`; `FailedPrecondition` where it is being deleted, its
    connection cannot run so many, or the trainer runs on another one.
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
    failed = row.state == DeploymentState.FAILED
    served = _another(row, base_model) if base_model is not None else None
    if served:
        _serve(row, served)
    row.said |= said or {}
    now = timezone.now()
    if (row.replicas, row.trainer_id) != before or served or failed:
        if row.state != DeploymentState.UPDATING:
            move(row, DeploymentState.UPDATING, now=now, actor=actor)
        row.next_check_at = now
        hint_on_commit(ADVANCE, row.pk)
    row.updated_at = now
    row.save()
    after = {
        "min": least,
        "max": most,
        "replicas": row.replicas,
        "trainer": row.trainer and row.trainer.job_id,
        "serves": row.serves,
    }
    record(actor=actor, verb="update_deployment", target=row.name, account=row.account, after=after)
    return row


def _another(row: Deployment, name: str) -> ServedWeights | None:
    """What it is to start with; None where it does already, by whichever of its names. Errors: `InvalidArgument`."""
    failed = row.state == DeploymentState.FAILED
    if name == row.serves and not failed:
        return None
    served = find_served(row.shape_version, row.account, name)
    return served if failed or served.name != row.serves else None


def _serve(row: Deployment, served: ServedWeights) -> None:
    """Let it start with other weights, whatever was loaded into it. Errors: `InvalidArgument`, `FailedPrecondition`."""
    if served.connection and served.connection.pk != row.connection_id:
        told = f"{served.name} lies on {served.connection}, and {row.deployment_id} runs on {row.connection}."
        raise InvalidArgument([Violation("base_model", f"{told} Create another deployment.")])
    hold_served(served.model)
    row.serves, row.model, row.loaded, row.load_asked_by = served.name, served.model, "", ""
    row.spec |= {"base_model": served.base_model, "snapshot": served.snapshot, "lora_rank": served.lora_rank}
    if reasons := _reasons_against(row, max(1, row.replicas)):
        raise FailedPrecondition(f"{row.connection}: {' '.join(reasons)}")
    row.stop_asked = row.running


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
    row.trainer, row.loaded, row.load_asked_by = trainer, "", ""
    row.spec |= {"trainer_job": trainer.known_as[1]}
    row.stop_asked = row.running
