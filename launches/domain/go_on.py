"""Go on by itself after an interruption: a recipe as a matter of course, a loop of one's own where somebody asked.

A loop has lost its session when its machine fails: a new trainer would hold its GPUs and wait for nobody.
"""

from __future__ import annotations

from accounts.actors import SYSTEM
from connections.domain.held import require_open
from connections.providers.checkpoints import CheckpointKind
from connections.providers.states import INTERRUPTIONS, AttemptState, Reason
from launches.domain.append_event import append_event
from launches.domain.open_attempt import open_attempt
from launches.models import Attempt, Launch
from launches.space import require_space
from wire.counts import quantity
from wire.errors import FailedPrecondition, Refusal

MOST_IN_VAIN = 3
"""Interruptions in a row without a new checkpoint after which a person has to look: more would only burn GPUs. What
gets further each time is bounded by its own end, however often it has to make room.
"""
WORDS = {
    Reason.NODE_FAIL: "its machine failed",
    Reason.BOOT_FAIL: "a machine for it did not start",
    Reason.PREEMPTED: "it had to make room",
}


def go_on(launch: Launch, attempt: Attempt) -> None:
    """Open the next attempt where this one, the newest and just over, was interrupted; else nothing.

    The launch is locked by the caller's transaction, in which the outcome was written.
    """
    was_interrupted = attempt.state == AttemptState.FAILED and attempt.reason in INTERRUPTIONS
    if not was_interrupted or attempt.cancel_requested_at is not None or launch.deleted_at is not None:
        return
    launch.interruptions = 0 if _got_further(launch, attempt) else launch.interruptions + 1
    launch.save(update_fields=["interruptions"])
    if not launch.goes_on:
        return
    try:
        _require_hope(launch)
        require_open(launch.connection)
        require_space()
    except Refusal as refusal:
        append_event(launch, kind="waits", message=f"Does not go on by itself: {refusal.message}", actor=SYSTEM)
        return
    how = f" ({launch.interruptions} of {MOST_IN_VAIN} times without a new checkpoint)" if launch.interruptions else ""
    message = f"Goes on by itself as attempt {launch.attempt_count + 1}{how}: {WORDS[Reason(attempt.reason)]}"
    open_attempt(launch, message=message, actor=SYSTEM)


def _require_hope(launch: Launch) -> None:
    """Errors: `FailedPrecondition` where it was interrupted too often in a row."""
    if launch.interruptions > MOST_IN_VAIN:
        times = quantity(launch.interruptions, "time")
        raise FailedPrecondition(
            f"it was interrupted {times} in a row without a new checkpoint. Look why; then resume it."
        )


def _got_further(launch: Launch, attempt: Attempt) -> bool:
    """Whether the next attempt starts from another checkpoint than this one did."""
    saved = launch.checkpoints.filter(kind=CheckpointKind.TRAINING, writing=False)
    newest = saved.order_by("-step", "-saved_at").values_list("name", flat=True).first()
    return newest is not None and newest != attempt.resume_from
