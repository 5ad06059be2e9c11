"""Accept a launch with what it is to have beside it: its reference, and its sampler. All of them, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from accounts.actors import Actor
from accounts.models import Account
from catalog.models import ShapeVersion
from catalog.version_queries import find_linked
from connections.providers.spec import TrainerSpec
from deployments.domain.create_deployment import create_deployment
from launches.domain.append_event import append_event
from launches.domain.create_launch import create_launch
from launches.models import Launch
from launches.resolve import CONNECTION, REFERENCE, reference_inputs
from launches.subjects import bare_subject, reference_version
from wire.errors import FailedPrecondition


def create_launch_set(
    *,
    actor: Actor,
    account: Account,
    version: ShapeVersion,
    inputs: Mapping[str, Any],
    idempotency_key: str,
    as_latest: bool = False,
) -> Launch:
    """The policy, or the one that the same key made before with all that was made with it.

    All run on the connection that takes the policy: it takes the whole set, or none of it. Errors: as `create_launch`
    and `create_deployment`.
    """
    return create_launch(
        actor=actor,
        account=account,
        version=version,
        inputs=inputs,
        idempotency_key=idempotency_key,
        as_latest=as_latest,
        beside=partial(_create_members, actor),
    )


def _create_members(actor: Actor, policy: Launch) -> None:
    spec = TrainerSpec.from_json(policy.spec)
    made = []
    if policy.inputs.get(REFERENCE):
        made.append(f"its reference {_create_reference(actor, policy, spec).job_id}")
    if spec.deployment_replica_count:
        made.append(f"its sampler {_create_sampler(actor, policy, spec)}")
    if made:
        append_event(policy, kind="set", message=f"Launched with {' and '.join(made)}", actor=actor)


def _create_reference(actor: Actor, policy: Launch, spec: TrainerSpec) -> Launch:
    version = reference_version(policy.shape_version, policy.account)
    if version is None:  # it was there when the form was shown
        raise FailedPrecondition("The shape for its reference is not offered any more. Launch without a reference.")
    name = f"{policy.job_id}-reference"
    inputs = reference_inputs(bare_subject(version), spec, policy.inputs)
    return create_launch(
        actor=actor,
        account=policy.account,
        version=version,
        inputs=inputs | {CONNECTION: policy.connection.name},
        idempotency_key=name,
        job_id=name,
        reference_of=policy,
    )


def _create_sampler(actor: Actor, policy: Launch, spec: TrainerSpec) -> str:
    """As many replicas as were set, from its start to its end. Answers its id."""
    version = find_linked([policy.account_id], policy.shape_version.frozen_snapshot)
    if version is None:
        raise FailedPrecondition("Its deployment shape is not offered any more. Launch with 0 deployment replicas.")
    made = create_deployment(
        actor=actor,
        account=policy.account,
        deployment_id=f"{policy.job_id}-sampler",
        version=version,
        base_model=spec.base_model,
        min_replicas=spec.deployment_replica_count,
        max_replicas=spec.deployment_replica_count,
        trainer=policy,
    )
    return made.deployment_id
