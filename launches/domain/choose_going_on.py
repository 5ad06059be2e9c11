"""Say whether a launch goes on by itself where it is interrupted."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from launches.domain.append_event import append_event
from launches.domain.control import lock_for
from launches.live.wake import wake
from launches.models import Launch
from launches.validation_runs import MEASURED_ONCE, is_validation_run
from wire.errors import FailedPrecondition


@transaction.atomic
def choose_going_on(*, actor: Actor, launch: Launch, goes_on: bool) -> None:
    """From the next interruption on; nothing where it is so already. What is over stays over.

    Errors: `NotFound`, `PermissionDenied`, `FailedPrecondition` where it was deleted or is a validation's.
    """
    locked, _ = lock_for(actor, launch)
    if locked.deleted_at is not None:
        raise FailedPrecondition(f"{locked.job_id} was deleted.")
    if is_validation_run(locked):
        raise FailedPrecondition(MEASURED_ONCE)
    if locked.goes_on == goes_on:
        return
    locked.goes_on = goes_on
    locked.save(update_fields=["goes_on"])
    message = "Goes on by itself from now on, should it be interrupted" if goes_on else "Waits for Resume from now on"
    append_event(locked, kind="going_on", message=message, actor=actor)
    record(
        actor=actor,
        verb="choose_going_on",
        target=locked.name,
        account=locked.account,
        before={"goes_on": not goes_on},
        after={"goes_on": goes_on},
    )
    wake(locked)
