"""The life of an attempt. Pure.

    QUEUED ------> PENDING --> CREATING --> RUNNING --> COMPLETED
      |  \\            |            |           |
      |   REJECTED     +------------+-----------+-----> FAILED | CANCELLED | LOST
      |                |            |           |
      +--> CANCELLED   +--> CANCELLING <--------+
                                |
                                +--> CANCELLED | COMPLETED | FAILED | LOST

QUEUED     accepted here, the provider was not told yet
PENDING    the provider has it and waits for capacity
CREATING   the provider prepares it (environment, process)
RUNNING    the process runs; `ready` is separate: it also answers
CANCELLING somebody asked for the end, the provider has not confirmed it
REJECTED   the provider refused the spec
LOST       the provider no longer knows it

An outcome (a final state) is written once. A provider may skip states that we did not see, never go back.
Resuming opens the next attempt; it does not move this one.
"""

from __future__ import annotations

from connections.providers.states import FINAL, AttemptState

_S = AttemptState
ACTIVE = frozenset(AttemptState) - FINAL
FAILURES = frozenset({_S.FAILED, _S.REJECTED, _S.LOST})
"""Ends that nobody asked for."""
WAITING = frozenset({_S.QUEUED, _S.PENDING})
"""Accepted, and not begun anywhere."""
RESUMABLE = frozenset({_S.FAILED, _S.CANCELLED, _S.COMPLETED, _S.LOST})
_ENDS = frozenset({_S.COMPLETED, _S.FAILED, _S.CANCELLED, _S.LOST})

LEGAL_MOVES: dict[AttemptState, frozenset[AttemptState]] = {
    _S.QUEUED: frozenset({_S.PENDING, _S.CREATING, _S.RUNNING, _S.CANCELLING, _S.REJECTED}) | _ENDS,
    _S.PENDING: frozenset({_S.CREATING, _S.RUNNING, _S.CANCELLING}) | _ENDS,
    _S.CREATING: frozenset({_S.RUNNING, _S.CANCELLING}) | _ENDS,
    _S.RUNNING: frozenset({_S.CANCELLING}) | _ENDS,
    _S.CANCELLING: _ENDS,
    **{state: frozenset() for state in FINAL},
}

TRAINING_PATH = (_S.QUEUED, _S.PENDING, _S.CREATING, _S.RUNNING)
"""The steps that a launch page shows before the outcome."""


def may_move(current: AttemptState, new: AttemptState) -> bool:
    """Whether an attempt may go from one state to the other."""
    return new in LEGAL_MOVES[current]
