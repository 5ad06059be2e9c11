"""Create a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.actors import Actor, require
from accounts.domain.record import record
from accounts.models import Account
from accounts.roles import Right
from catalog.models import ShapeVersion
from connections.queries import usable_connections
from deployments.domain.move_deployment import MESSAGES, note
from deployments.hints import ADVANCE
from deployments.models import Deployment
from deployments.placement import choose_connection
from deployments.replicas import refuse_bounds, wanted_replicas
from deployments.resolved import spec_of
from deployments.states import DeploymentState
from launches.domain.tie_launch import tie_launch
from launches.models import Launch
from queues.hints import hint_on_commit
from wire.errors import AlreadyExists, FailedPrecondition, InvalidArgument, PermissionDenied, Violation
from wire.names import refuse_id


def create_deployment(
    *,
    actor: Actor,
    account: Account,
    deployment_id: str,
    version: ShapeVersion,
    base_model: str,
    min_replicas: int = 0,
    max_replicas: int = 1,
    trainer: Launch | None = None,
    said: Mapping[str, Any] | None = None,
) -> Deployment:
    """Accept a deployment of `version`, a deployment shape's that the actor may see.

    It runs where its trainer does, else on the first connection that takes it. Errors: `InvalidArgument`,
    `PermissionDenied`, `NotFound`; `FailedPrecondition` where the version is not offered; `Unimplemented` and
    `FailedPrecondition` where no connection runs it, before anything is created; `AlreadyExists`.
    """
    require(actor, account, Right.LAUNCH)
    if actor.user is None:
        raise PermissionDenied("A deployment has an owner: only a user can make one.")
    found = refuse_bounds(min_replicas, max_replicas)
    if sentence := refuse_id(deployment_id, what="deployment id"):
        found.append(Violation("deployment_id", f"{sentence}."))
    if base_model not in (own := (version.shape.base_model.name, *version.shape.base_model.former_names)):
        found.append(Violation("base_model", f"{base_model[:200]!r} is not what the shape serves. Use {own[0]}."))
    if found:
        raise InvalidArgument(found)
    if not version.is_offered:
        raise FailedPrecondition(f"{version.name} is not validated, or was withdrawn. Use another version.")
    spec = spec_of(version, account, deployment_id, trainer)
    places = [trainer.connection] if trainer else list(usable_connections(account))
    deployment = Deployment(
        account=account,
        deployment_id=deployment_id,
        owner=actor.user,
        shape_version=version,
        connection=choose_connection(places, spec, max_replicas),
        trainer=trainer,
        spec=spec.as_json(),
        said=dict(said or {}),
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        replicas=wanted_replicas(min_replicas, max_replicas),
    )
    try:
        return _write(actor, deployment)
    except IntegrityError:
        raise AlreadyExists(f"{deployment.name} is there already. Choose another id.") from None


@transaction.atomic
def _write(actor: Actor, deployment: Deployment) -> Deployment:
    note(deployment, MESSAGES[DeploymentState.CREATING], now=timezone.now(), actor=actor)
    deployment.save()
    if deployment.trainer:
        tie_launch(deployment.trainer, now=timezone.now())
    record(
        actor=actor,
        verb="create_deployment",
        target=deployment.name,
        account=deployment.account,
        after={"shape": deployment.spec["deployment_shape_version"], "replicas": deployment.replicas},
    )
    hint_on_commit(ADVANCE, deployment.pk)
    return deployment
