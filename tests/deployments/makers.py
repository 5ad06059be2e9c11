"""Rows of deployments for tests."""

from __future__ import annotations

from typing import Any

from accounts.models import Account, User
from catalog.models import ShapeVersion
from connections.models import Connection
from connections.providers.samplers import SamplerSpec
from deployments.models import Deployment
from wire.names import deployment_name


def make_deployment(
    *, owner: User, account: Account, version: ShapeVersion, deployment_id: str = "dep", **facts: Any
) -> Deployment:
    """A deployment of the version as it was just accepted, on this machine where no connection is given."""
    snapshot = version.frozen_snapshot
    trainer = facts.get("trainer")
    spec = SamplerSpec(
        deployment=deployment_name(account.account_id, deployment_id),
        deployment_shape_version=version.name,
        base_model=snapshot.base_model,
        engine=snapshot.engine,
        accelerator_type=snapshot.accelerator_type,
        accelerator_count=snapshot.accelerator_count,
        node_count=snapshot.node_count,
        max_context_length=snapshot.max_supported_context_length,
        base_model_weight_precision=snapshot.base_model_weight_precision,
        deployment_image_tag=snapshot.deployment_image_tag,
        trainer_job=trainer.job_id if trainer else "",
        inactivity_timeout_seconds=3600,
    )
    given = {"min_replicas": 0, "max_replicas": 1, "replicas": 1, "spec": spec.as_json()} | facts
    if "connection" not in given:
        given["connection"] = Connection.objects.get(name="local")
    return Deployment.objects.create(
        owner=owner, account=account, shape_version=version, deployment_id=deployment_id, **given
    )
