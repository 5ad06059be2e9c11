"""Extend a launch whose recipe has run to its end: so many steps more, from its newest checkpoint."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.record import record
from connections.domain.held import require_open
from connections.providers.spec import TrainerSpec
from launches.domain.control import lock_for
from launches.domain.open_attempt import open_attempt
from launches.domain.resume_launch import CANNOT_EXTEND, recipe_is_done
from launches.models import Attempt, Launch
from launches.space import require_space
from launches.validation_runs import MEASURED_ONCE, is_validation_run
from wire.counts import quantity
from wire.errors import FailedPrecondition, InvalidArgument, Violation
from wire.numbers import read_whole

MOST_STEPS = 1_000_000
STEPS = "steps"


@transaction.atomic
def extend_launch(*, actor: Actor, launch: Launch, steps: Any) -> Attempt:
    """Ask for `steps` more, a whole number as people write it; the schedule then spans all steps together.

    Errors: `NotFound`, `PermissionDenied`; `InvalidArgument` for the steps; `FailedPrecondition` where no recipe has
    run to its end, it was deleted, or its connection takes none; `ResourceExhausted` where the disk is nearly full.
    """
    locked, _ = lock_for(actor, launch)
    wanted = read_whole(steps)
    if wanted is None or not 1 <= wanted <= MOST_STEPS:
        raise InvalidArgument(
            [
                Violation(
                    STEPS, f"{str(steps)[:40]!r} is no number of steps. Use a whole number from 1 to {MOST_STEPS:,}."
                )
            ]
        )
    if locked.deleted_at is not None:
        raise FailedPrecondition(f"{locked.job_id} was deleted; its files are gone. Launch it again as a clone.")
    if is_validation_run(locked):
        raise FailedPrecondition(MEASURED_ONCE)
    if TrainerSpec.from_json(locked.spec).is_driven_from_here:
        raise FailedPrecondition(CANNOT_EXTEND)
    if not recipe_is_done(locked):
        raise FailedPrecondition(
            f"{locked.job_id} is {locked.state}, with recipe {locked.spec['recipe']}. Only a recipe that has run to "
            "its end is extended; what ended before is resumed."
        )
    require_open(locked.connection)
    require_space()
    before = locked.spec.get("extra_steps") or 0
    locked.spec = locked.spec | {"extra_steps": before + wanted}
    locked.interruptions = 0
    locked.save(update_fields=["spec"])
    record(
        actor=actor, verb="extend_launch", target=locked.name, account=locked.account,
        before={"extra_steps": before}, after={"extra_steps": before + wanted},
    )  # fmt: skip
    message = f"Extended by {quantity(wanted, 'step')}: attempt {locked.attempt_count + 1}"
    return open_attempt(locked, message=message, actor=actor)
