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
from connections.domain.held import require_open
from connections.models import Connection
from connections.queries import usable_connections
from deployments.domain.move_deployment import MESSAGES, note
from deployments.hints import ADVANCE
from deployments.models import Deployment
from deployments.placement import choose_connection
from deployments.replicas import refuse_bounds, wanted_replicas
from deployments.resolved import spec_of
from deployments.served import ServedWeights, find_served, hold_served
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
    connection: Connection | None = None,
    said: Mapping[str, Any] | None = None,
    form_key: str = "",
) -> Deployment:
    """Accept a deployment of `version`, a deployment shape's that the actor may see.

    `base_model` is what `find_served` finds. It runs where its trainer does, or its checkpoint lies, else on
    `connection`, or the first that takes it. `form_key` is kept. Errors: `InvalidArgument`, `PermissionDenied`,
    `NotFound`; `FailedPrecondition` where the version is not offered; `Unimplemented` and `FailedPrecondition` where no
    connection runs it, before anything is created; `AlreadyExists`.
    """
    require(actor, account, Right.LAUNCH)
    if actor.user is None:
        raise PermissionDenied("A deployment has an owner: only a user can make one.")
    found = refuse_bounds(min_replicas, max_replicas)
    if sentence := refuse_id(deployment_id, what="deployment id"):
        found.append(Violation("deployment_id", f"{sentence}."))
    try:
        served = find_served(version, account, base_model)
    except InvalidArgument as refusal:
        raise InvalidArgument([*found, *refusal.violations]) from None
    if found:
        raise InvalidArgument(found)
    if not version.is_offered:
        raise FailedPrecondition(f"{version.name} is not validated, or was withdrawn. Use another version.")
    spec = spec_of(version, account, deployment_id, trainer, served)
    places = _chosen(connection, _places(account, trainer, served))
    deployment = Deployment(
        account=account,
        deployment_id=deployment_id,
        owner=actor.user,
        shape_version=version,
        connection=choose_connection(places, spec, max_replicas),
        trainer=trainer,
        spec=spec.as_json(),
        serves=served.name,
        model=served.model,
        said=dict(said or {}),
        form_key=form_key,
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        replicas=wanted_replicas(min_replicas, max_replicas),
    )
    try:
        return _write(actor, deployment)
    except IntegrityError:
        raise AlreadyExists(f"{deployment.name} is there already. Choose another id.") from None


def _places(account: Account, trainer: Launch | None, served: ServedWeights) -> list[Connection]:
    """The connections that it may go to. Errors: `InvalidArgument`."""
    usable = list(usable_connections(account))
    if served.connection is None:
        return [trainer.connection] if trainer else usable
    if trainer and trainer.connection_id != served.connection.pk:
        told = f"{served.name} lies on {served.connection}, and {trainer.job_id} runs on {trainer.connection}."
        raise InvalidArgument([Violation("base_model", f"{told} Promote it, or leave the trainer out.")])
    return [each for each in usable if each.pk == served.connection.pk]


def _chosen(connection: Connection | None, places: list[Connection]) -> list[Connection]:
    """The one that was chosen, among those where it may go. Errors: `InvalidArgument`."""
    if connection is None or connection in places:
        return [connection] if connection else places
    told = ", ".join(map(str, places)) or "nowhere"
    raise InvalidArgument([Violation("connection", f"It cannot run on {connection}. Where it can: {told}.")])


@transaction.atomic
def _write(actor: Actor, deployment: Deployment) -> Deployment:
    hold_served(deployment.model)
    require_open(deployment.connection)
    note(deployment, MESSAGES[DeploymentState.CREATING], now=timezone.now(), actor=actor)
    deployment.save()
    if deployment.trainer:
        tie_launch(deployment.trainer, now=timezone.now())
    record(
        actor=actor,
        verb="create_deployment",
        target=deployment.name,
        account=deployment.account,
        after={
            "shape": deployment.spec["deployment_shape_version"],
            "replicas": deployment.replicas,
            "serves": deployment.serves,
        },
    )
    hint_on_commit(ADVANCE, deployment.pk)
    return deployment
