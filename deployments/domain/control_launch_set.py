"""The members of a launch set, as cancel, resume and delete find and lock them: deployments first, then the policy,
then its references. A worker that claims a deployment looks at its launch last, too.
"""

from __future__ import annotations

from django.db.models import QuerySet

from accounts.actors import Actor, may_control
from deployments.models import Deployment
from deployments.queries import living_deployments
from deployments.states import DeploymentState
from launches.models import Launch


def references_of(policy: Launch) -> QuerySet[Launch]:
    """Those that were not deleted, in the order in which they are locked."""
    rows = Launch.objects.filter(reference_of=policy, deleted_at=None)
    return rows.select_related("account", "connection").order_by("pk")


def samplers_of(policy: Launch, actor: Actor) -> list[Deployment]:
    """Its deployments that nobody deletes and the actor may control, in the order in which they are locked.

    Whoever tied another one to it sees to that one.
    """
    rows = living_deployments(policy.account).filter(trainer=policy).exclude(state=DeploymentState.DELETING)
    return [row for row in rows.order_by("pk") if may_control(actor, row)]
