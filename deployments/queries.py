"""Reads of deployments."""

from __future__ import annotations

from django.db.models import QuerySet

from accounts.models import Account
from deployments.models import Deployment
from deployments.states import DeploymentState


def living_deployments(account: Account) -> QuerySet[Deployment]:
    """The account's, with all that an answer shows; those that were deleted are gone."""
    rows = Deployment.objects.filter(account=account).exclude(state=DeploymentState.DELETED)
    return rows.select_related("account", "owner", "trainer", "connection").defer("log_tail", "events")
