"""The steps of a validation as its page shows them: where it was, where it stands, what is to come. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from connections.providers.states import AttemptState
from launches.pages.stepper import ProgressStep
from publishing.states import FINAL, ValidationState

_S = ValidationState
PATH = (_S.QUEUED, _S.STATIC, _S.LAUNCHING, _S.RUNNING)
LABELS = {
    _S.QUEUED: "Queued",
    _S.STATIC: "Static checks",
    _S.LAUNCHING: "Launch",
    _S.RUNNING: "Running",
    _S.PASSED: "Passed",
    _S.FAILED: "Failed",
}
LOOKS = {
    _S.QUEUED: "queued",
    _S.STATIC: "creating",
    _S.LAUNCHING: "creating",
    _S.RUNNING: "running",
    _S.PASSED: "completed",
    _S.FAILED: "failed",
}
"""Which state of a launch each looks like."""
WAITS = {
    AttemptState.QUEUED: "Waiting",
    AttemptState.PENDING: "Waiting for a place",
    AttemptState.CREATING: "Preparing",
}
"""What a launch under way that does not run yet does."""


def words_of(state: ValidationState, launch: AttemptState | None) -> tuple[str, str]:
    """The label and the look of a validation in `state`: it runs no sooner than its launch does."""
    if state is _S.RUNNING and launch in WAITS:
        return WAITS[launch], launch.lower()
    return LABELS[state], LOOKS[state]


def steps_of(
    state: ValidationState,
    times: Mapping[ValidationState, datetime],
    *,
    launch: AttemptState | None,
    done: int,
    steps: int,
) -> tuple[ProgressStep, ...]:
    """The steps of a run in `state`, given when each state was entered; `done` of `steps` steps are recorded.

    RUNNING is entered when the trainer runs, which `launch` says as long as that is under way.
    """
    counted = f"Running {done} of {steps} steps" if times.get(_S.RUNNING) else words_of(_S.RUNNING, launch)[0]
    labels = LABELS | {_S.RUNNING: counted}
    path = [ProgressStep(labels[each], _look(each, state, times), times.get(each)) for each in PATH]
    if state in FINAL:
        return (*path, ProgressStep(LABELS[state], "good" if state is _S.PASSED else "bad", times.get(state)))
    return (*path, ProgressStep("Outcome", "next"))


def _look(each: ValidationState, state: ValidationState, times: Mapping[ValidationState, datetime]) -> str:
    if each is state:
        return "now"
    if each in times:
        return "done"
    return "skipped" if state in FINAL else "next"
