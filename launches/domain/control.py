"""How a launch is locked for somebody who may act on it: what cancel, resume and delete share."""

from __future__ import annotations

from accounts.actors import Actor, require, right_to_control
from launches.models import Attempt, Launch


def lock_for(actor: Actor, launch: Launch) -> tuple[Launch, Attempt]:
    """The launch and its newest attempt, both locked, for somebody who may control it.

    Errors: `NotFound`, `PermissionDenied`. Call it inside a transaction.
    """
    require(actor, launch.account, right_to_control(actor, launch))
    locked = Launch.objects.select_for_update(of=("self",)).select_related("account").get(pk=launch.pk)
    return locked, locked.attempts.select_for_update().get(number=locked.attempt_count)
