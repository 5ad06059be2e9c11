"""How a deployment is locked for somebody who may act on it: what update and delete share."""

from __future__ import annotations

from accounts.actors import Actor, require, right_to_control
from deployments.models import Deployment
from wire.errors import NotFound


def lock_for(actor: Actor, deployment: Deployment) -> Deployment:
    """The row as it is now, locked, for somebody who may control it: its owner, or who controls any launch.

    Errors: `NotFound`, `PermissionDenied`. Call it inside a transaction.
    """
    require(actor, deployment.account, right_to_control(actor, deployment))
    rows = Deployment.objects.select_for_update(of=("self",)).select_related(
        "account", "connection", "trainer", "shape_version__shape__base_model__account", "shape_version__shape__account"
    )
    found = rows.filter(pk=deployment.pk, finished_at__isnull=True).first()
    if found is None:
        raise NotFound(f"There is no {deployment.name} any more.")
    return found
