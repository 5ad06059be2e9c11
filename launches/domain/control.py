"""Who may act on a launch, and how it is locked: what cancel, resume and delete share."""

from __future__ import annotations

from accounts.actors import Actor, require
from accounts.roles import Right
from launches.models import Attempt, Launch


def lock_for(actor: Actor, launch: Launch) -> tuple[Launch, Attempt]:
    """The launch and its newest attempt, both locked, for somebody who may control it.

    Owners need the right to launch; others the right to control any launch of the account. Errors: `NotFound`,
    `PermissionDenied`. Call it inside a transaction.
    """
    owns = actor.user is not None and launch.owner_id == actor.user.pk
    require(actor, launch.account, Right.LAUNCH if owns else Right.CONTROL_ANY_LAUNCH)
    locked = Launch.objects.select_for_update(of=("self",)).select_related("account").get(pk=launch.pk)
    return locked, locked.attempts.select_for_update().get(number=locked.attempt_count)
