"""The life of a validation. Pure.

    QUEUED --> STATIC --> LAUNCHING --> RUNNING --> PASSED
      |          |            |            |
      +----------+------------+------------+------> FAILED

QUEUED     asked for, no worker has taken it yet
STATIC     figures and fields are checked, without running anything
LAUNCHING  a provider is looked for, and its launch is made
RUNNING    the launch is under way, and is watched
PASSED     what was measured is the version's passport
FAILED     it says why; stopped by somebody and out of time are failures, too

An outcome is written once, together with what it means for the version. One that is made by hand is PASSED from its
beginning: nothing runs.
"""

from __future__ import annotations

from enum import StrEnum


class ValidationState(StrEnum):
    """Where a validation stands."""

    QUEUED = "QUEUED"
    STATIC = "STATIC"
    LAUNCHING = "LAUNCHING"
    RUNNING = "RUNNING"
    PASSED = "PASSED"
    FAILED = "FAILED"


class ValidationKind(StrEnum):
    """What a passport rests on."""

    RUN = "RUN"
    BY_HAND = "BY_HAND"


_S = ValidationState
FINAL = frozenset({_S.PASSED, _S.FAILED})
ACTIVE = frozenset(ValidationState) - FINAL

LEGAL_MOVES: dict[ValidationState, frozenset[ValidationState]] = {
    _S.QUEUED: frozenset({_S.STATIC, _S.FAILED}),
    _S.STATIC: frozenset({_S.LAUNCHING, _S.FAILED}),
    _S.LAUNCHING: frozenset({_S.RUNNING, _S.FAILED}),
    _S.RUNNING: frozenset({_S.PASSED, _S.FAILED}),
    **{state: frozenset() for state in FINAL},
}


def may_move(current: ValidationState, new: ValidationState) -> bool:
    """Whether a validation may go from one state to the other."""
    return new in LEGAL_MOVES[current]
