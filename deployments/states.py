"""The life of a deployment. Pure.

    CREATING --> READY <--> UPDATING
       |  \\        |  \\      /  |
       |   +-------+---> FAILED |
       |           |        |   |
       +-----------+--------+---+--> DELETING --> DELETED

CREATING  its first sampler is started, and does not answer yet
READY     as many samplers answer as are wanted, which may be none
UPDATING  another number or another trainer is wanted, and is not there yet
FAILED    its sampler was refused, or ended by itself; it can be deleted, or updated to try again
DELETING  somebody deleted it, and a sampler may still run
DELETED   nothing of it runs any more; its id is free again
"""

from __future__ import annotations

from enum import StrEnum


class DeploymentState(StrEnum):
    """Where a deployment stands; the wire's own words."""

    CREATING = "CREATING"
    READY = "READY"
    UPDATING = "UPDATING"
    FAILED = "FAILED"
    DELETING = "DELETING"
    DELETED = "DELETED"


_S = DeploymentState
LEGAL_MOVES: dict[DeploymentState, frozenset[DeploymentState]] = {
    _S.CREATING: frozenset({_S.READY, _S.UPDATING, _S.FAILED, _S.DELETING}),
    _S.READY: frozenset({_S.UPDATING, _S.FAILED, _S.DELETING}),
    _S.UPDATING: frozenset({_S.READY, _S.FAILED, _S.DELETING}),
    _S.FAILED: frozenset({_S.UPDATING, _S.DELETING}),
    _S.DELETING: frozenset({_S.DELETED}),
    _S.DELETED: frozenset(),
}


def may_move(current: DeploymentState, new: DeploymentState) -> bool:
    """Whether a deployment may go from one state to the other."""
    return new in LEGAL_MOVES[current]
