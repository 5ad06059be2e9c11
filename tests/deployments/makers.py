"""Rows of deployments for tests."""

from __future__ import annotations

from typing import Any

from accounts.models import Account, User
from catalog.models import ShapeVersion
from connections.models import Connection
from deployments.models import Deployment
from deployments.resolved import spec_of
from deployments.served import find_served


def make_deployment(
    *, owner: User, account: Account, version: ShapeVersion, deployment_id: str = "dep", **facts: Any
) -> Deployment:
    """A deployment of the version as it was just accepted, on this machine where no connection is given."""
    served = find_served(version, account, facts.pop("serves", version.shape.base_model.name))
    spec = spec_of(version, account, deployment_id, facts.get("trainer"), served)
    given = {
        "serves": served.name,
        "model": served.model,
        "min_replicas": 0,
        "max_replicas": 1,
        "replicas": 1,
        "spec": spec.as_json(),
    } | facts
    if "connection" not in given:
        given["connection"] = Connection.objects.get(name="local")
    return Deployment.objects.create(
        owner=owner, account=account, shape_version=version, deployment_id=deployment_id, **given
    )
