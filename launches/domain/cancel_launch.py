"""Cancel a launch."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from accounts.domain.record import record
from connections.providers.states import AttemptState, Reason
from launches.domain.control import lock_for
from launches.domain.move import move
from launches.live.hints import ADVANCE
from launches.models import Attempt, Launch
from queues.hints import hint_on_commit
from wire.errors import FailedPrecondition


@transaction.atomic
def cancel_launch(*, actor: Actor, launch: Launch) -> None:
    """Ask for the end of the newest attempt; nothing where that was asked for already.

    Errors: `NotFound`, `PermissionDenied`, `FailedPrecondition` where it is over.
    """
    locked, attempt = lock_for(actor, launch)
    if attempt.is_final:
        raise FailedPrecondition(f"{locked.job_id} is over ({attempt.state}), so there is nothing to cancel.")
    request_cancel(actor, locked, attempt)


def request_cancel(actor: Actor, launch: Launch, attempt: Attempt, *, reason: Reason | None = None) -> None:
    """Move an unfinished attempt of a locked launch to CANCELLING; a worker tells the provider.

    The reason is kept for the outcome; None where a user asked.
    """
    if attempt.state == AttemptState.CANCELLING:
        return
    now = timezone.now()
    attempt.cancel_requested_at = attempt.next_check_at = now
    record(
        actor=actor, verb="cancel_launch", target=launch.name, account=launch.account, before={"state": attempt.state}
    )
    move(launch, attempt, AttemptState.CANCELLING, now=now, reason=reason, actor=actor)
    hint_on_commit(ADVANCE, attempt.pk)
