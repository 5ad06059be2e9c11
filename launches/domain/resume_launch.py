"""Resume a launch that is over: open its next attempt."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from connections.domain.held import require_open
from connections.providers.spec import NO_RECIPE, TrainerSpec
from connections.providers.states import AttemptState
from launches.domain.control import lock_for
from launches.domain.open_attempt import open_attempt
from launches.models import Attempt, Launch
from launches.space import require_space
from launches.states import RESUMABLE
from launches.validation_runs import MEASURED_ONCE, is_validation_run
from wire.errors import FailedPrecondition

RUN_TO_ITS_END = (
    "Its recipe has run to its end, so there is nothing left to resume. Extend it by some steps, or clone it."
)
CANNOT_EXTEND = "Its recipe has run to its end, and knows no extension. Clone the launch, with more epochs say."


def never_resumed(launch: Launch) -> str:
    """Why the launch is not resumed as it stands, however it ended; "" where nothing speaks against it.

    The version of a validation's launch may be launched by the validation alone, whatever became of it since. Where no
    recipe drives the trainer, only its owner knows whether there is something left to do.
    """
    if is_validation_run(launch):
        return MEASURED_ONCE
    if not recipe_is_done(launch):
        return ""
    return CANNOT_EXTEND if TrainerSpec.from_json(launch.spec).is_driven_from_here else RUN_TO_ITS_END


def recipe_is_done(launch: Launch) -> bool:
    """Whether a recipe drove the trainer, and has nothing left to do."""
    return launch.state == AttemptState.COMPLETED and launch.spec["recipe"] != NO_RECIPE


@transaction.atomic
def resume_launch(*, actor: Actor, launch: Launch) -> Attempt:
    """Open the next attempt, which goes on from the newest checkpoint, with the recorded spec.

    Errors: `NotFound`, `PermissionDenied`, `FailedPrecondition` where it is not over, was refused, was deleted, or
    is never resumed, or where its connection takes none, `ResourceExhausted` where the disk is nearly full.
    """
    locked, last = lock_for(actor, launch)
    if locked.deleted_at is not None:
        raise FailedPrecondition(f"{locked.job_id} was deleted; its files are gone. Launch it again as a clone.")
    if AttemptState(last.state) not in RESUMABLE:
        raise FailedPrecondition(
            f"{locked.job_id} is {last.state}; only one that has ended ({', '.join(sorted(RESUMABLE))}) can be resumed."
        )
    if refusal := never_resumed(locked):
        raise FailedPrecondition(refusal)
    require_open(locked.connection)
    require_space()
    locked.interruptions = 0
    return open_attempt(locked, message=f"Resumed: attempt {locked.attempt_count + 1}", actor=actor)
