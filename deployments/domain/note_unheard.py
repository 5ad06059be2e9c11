"""Note that a sampler did not answer a request, so that a worker looks at it at once and not at the next turn."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from deployments.hints import ADVANCE
from deployments.models import Deployment
from deployments.states import DeploymentState
from queues.hints import hint

SOON = timedelta(seconds=1)
"""What is looked at so soon anyway needs no other look."""


def note_unheard(account: str, deployment: str) -> None:
    """Nothing is decided by it, but a cold start need not wait; nothing where a look is near, or none of it runs."""
    now = timezone.now()
    rows = Deployment.objects.filter(account__account_id=account, deployment_id=deployment, state=DeploymentState.READY)
    waiting = rows.filter(running=True, lease_token=None, next_check_at__gt=now + SOON)
    for pk in waiting.values_list("pk", flat=True):
        if waiting.filter(pk=pk).update(next_check_at=now):
            hint(ADVANCE, pk)
