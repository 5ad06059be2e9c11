"""Resume a launch that is over: open its next attempt."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from launches.domain.append_event import append_event
from launches.domain.control import lock_for
from launches.hints import ADVANCE, hint_on_commit
from launches.models import Attempt, Launch
from launches.probes import MEASURED_ONCE, is_probe
from launches.states import RESUMABLE, AttemptState
from launches.wake import wake
from wire.errors import FailedPrecondition


@transaction.atomic
def resume_launch(*, actor: Actor, launch: Launch) -> Attempt:
    """Open the next attempt, which goes on from the newest checkpoint, with the recorded spec.

    Errors: `NotFound`, `PermissionDenied`, `FailedPrecondition` where it is not over, was refused, was deleted, or
    is a validation's: its version may be launched by the validation alone, whatever became of it since.
    """
    locked, last = lock_for(actor, launch)
    if locked.deleted_at is not None:
        raise FailedPrecondition(f"{locked.job_id} was deleted; its files are gone. Launch it again as a clone.")
    if AttemptState(last.state) not in RESUMABLE:
        raise FailedPrecondition(
            f"{locked.job_id} is {last.state}; only one that has ended ({', '.join(sorted(RESUMABLE))}) can be resumed."
        )
    if is_probe(locked):
        raise FailedPrecondition(MEASURED_ONCE)
    locked.attempt_count += 1
    locked.state = AttemptState.QUEUED
    locked.save(update_fields=["attempt_count", "state"])
    attempt = Attempt.objects.create(launch=locked, number=locked.attempt_count)
    append_event(
        locked,
        kind="state",
        message=f"Resumed: attempt {attempt.number}",
        actor=actor,
        data={"state": AttemptState.QUEUED},
    )
    record(
        actor=actor, verb="resume_launch", target=locked.name, account=locked.account, after={"attempt": attempt.number}
    )
    wake(locked)
    hint_on_commit(ADVANCE, attempt.pk)
    return attempt
