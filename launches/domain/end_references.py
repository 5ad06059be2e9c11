"""End the references of a policy that is over: nothing asks them any more, and they hold GPUs."""

from __future__ import annotations

from accounts.actors import SYSTEM
from connections.providers.states import FINAL, Reason
from launches.domain.cancel_launch import request_cancel
from launches.models import Launch

OF_REFERENCE = "The policy that it is the reference of is over."
"""What is said of an attempt that ended so."""


def end_references(policy: Launch) -> None:
    """Ask for their end where the policy, which the caller's transaction has locked, will not go on by itself."""
    if policy.state not in FINAL:
        return
    running = Launch.objects.filter(reference_of=policy, deleted_at=None).exclude(state__in=sorted(FINAL))
    for reference in running.select_for_update(of=("self",)).select_related("account").order_by("pk"):
        attempt = reference.attempts.select_for_update().get(number=reference.attempt_count)
        if not attempt.is_final:
            request_cancel(SYSTEM, reference, attempt, reason=Reason.POLICY_OVER)
