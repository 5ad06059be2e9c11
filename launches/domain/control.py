"""Who may act on a launch, and how it is locked: what cancel, resume and delete share."""

from __future__ import annotations

from accounts.actors import Actor, require
from accounts.roles import Right
from launches.models import Attempt, Launch


def right_to_control(actor: Actor, launch: Launch) -> Right:
    """What somebody needs to act on the launch: owners the right to launch, others to control any of the account."""
    owns = actor.user is not None and launch.owner_id == actor.user.pk
    return Right.LAUNCH if owns else Right.CONTROL_ANY_LAUNCH


def lock_for(actor: Actor, launch: Launch) -> tuple[Launch, Attempt]:
    """The launch and its newest attempt, both locked, for somebody who may control it.

    Errors: `NotFound`, `PermissionDenied`. Call it inside a transaction.
    """
    require(actor, launch.account, right_to_control(actor, launch))
    locked = Launch.objects.select_for_update(of=("self",)).select_related("account").get(pk=launch.pk)
    return locked, locked.attempts.select_for_update().get(number=locked.attempt_count)
