"""The steps of an attempt as its page shows them: where it was, where it stands, what is to come. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from catalog.labels import duration_label
from connections.providers.states import FINAL, AttemptState
from launches.states import FAILURES, TRAINING_PATH

LABELS = {
    AttemptState.QUEUED: "Queued",
    AttemptState.PENDING: "Pending",
    AttemptState.CREATING: "Creating",
    AttemptState.RUNNING: "Running",
    AttemptState.CANCELLING: "Cancelling",
    AttemptState.COMPLETED: "Completed",
    AttemptState.FAILED: "Failed",
    AttemptState.CANCELLED: "Cancelled",
    AttemptState.REJECTED: "Rejected",
    AttemptState.LOST: "Lost",
}
MEANINGS = {
    AttemptState.QUEUED: "Accepted; a worker is about to tell the provider.",
    AttemptState.PENDING: "The provider has it and waits for a free place.",
    AttemptState.CREATING: "The provider prepares the trainer.",
    AttemptState.RUNNING: "It is starting: the trainer's process runs, and does not answer yet.",
    AttemptState.CANCELLING: "{who} asked for the end; the provider has not confirmed it yet.",
}
"""What a state means; `{who}` asked for it."""
SILENT = "It runs, as far as the provider knows, and its trainer, which did answer, does not any more."


def meaning_of(state: AttemptState, *, ready: bool, asked: str, silent: bool = False) -> str:
    """What an unfinished state means. `asked`: the label of who asked for the end, "" where that is not known."""
    if ready and state is AttemptState.RUNNING:
        return "It runs and answers."
    if silent:
        return SILENT
    return MEANINGS.get(state, "").format(who=asked or "Somebody")


@dataclass(frozen=True)
class ProgressStep:
    """One step. `look` is done, now, skipped, next, good, bad or over; `seconds` is how long it lasted, if it ended."""

    label: str
    look: str
    at: datetime | None = None
    seconds: int | None = None

    @property
    def duration(self) -> str:
        """How long it lasted, as 1m14s; "" where it has not ended."""
        return "" if self.seconds is None else duration_label(self.seconds)


def steps_of(seen: Sequence[tuple[AttemptState, datetime]]) -> tuple[ProgressStep, ...]:
    """The steps for the states that an attempt was seen in, in order, each with its time; the last one is current."""
    if not seen:
        return ()
    times = dict(seen)
    current = seen[-1][0]
    path = [*TRAINING_PATH, *([AttemptState.CANCELLING] if AttemptState.CANCELLING in times else [])]
    ends = {state: at for (state, _), (_, at) in pairwise(seen)}
    steps = [_step(state, times.get(state), ends.get(state), current, path) for state in path]
    if current in FINAL:
        return (*steps, ProgressStep(LABELS[current], _outcome(current), times[current]))
    return (*steps, ProgressStep("Finished", "next"))


def _step(
    state: AttemptState,
    at: datetime | None,
    ended: datetime | None,
    current: AttemptState,
    path: Sequence[AttemptState],
) -> ProgressStep:
    if at is None:
        passed = current in FINAL or path.index(state) < path.index(current)
        return ProgressStep(LABELS[state], "skipped" if passed else "next")
    if state is current:
        return ProgressStep(LABELS[state], "now", at)
    return ProgressStep(
        LABELS[state], "done", at, None if ended is None else max(0, round((ended - at).total_seconds()))
    )


def _outcome(state: AttemptState) -> str:
    if state is AttemptState.COMPLETED:
        return "good"
    return "bad" if state in FAILURES else "over"
