"""The states of an attempt and the reasons of its end, as providers say them. Pure; the moves are in `launches`."""

from __future__ import annotations

from enum import StrEnum


class AttemptState(StrEnum):
    """Where an attempt stands."""

    QUEUED = "QUEUED"
    PENDING = "PENDING"
    CREATING = "CREATING"
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    LOST = "LOST"


FINAL = frozenset(
    {
        AttemptState.COMPLETED,
        AttemptState.FAILED,
        AttemptState.CANCELLED,
        AttemptState.REJECTED,
        AttemptState.LOST,
    }
)
"""The outcomes, of which an attempt has one, for ever."""


class Reason(StrEnum):
    """Why an attempt ended, beside its final state."""

    DONE = "DONE"
    USER = "USER"
    INACTIVE = "INACTIVE"
    UNCLAIMED = "UNCLAIMED"
    POLICY_OVER = "POLICY_OVER"
    HOST_STOPPED = "HOST_STOPPED"
    NODE_FAIL = "NODE_FAIL"
    PREEMPTED = "PREEMPTED"
    TIME_LIMIT = "TIME_LIMIT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    BOOT_FAIL = "BOOT_FAIL"
    DEADLINE = "DEADLINE"
    LAUNCH_FAILED = "LAUNCH_FAILED"
    EXIT_CODE = "EXIT_CODE"
    ENVIRONMENT = "ENVIRONMENT"
    LIMIT = "LIMIT"
    SPEC_REFUSED = "SPEC_REFUSED"
    UNKNOWN_TO_PROVIDER = "UNKNOWN_TO_PROVIDER"


INTERRUPTIONS = frozenset({Reason.NODE_FAIL, Reason.BOOT_FAIL, Reason.PREEMPTED})
"""Ends of which the same trainer, started once more, may see nothing."""


class ReasonOwner(StrEnum):
    """Who has to act after such an end: who launched it, whoever runs the connection, or nobody can tell."""

    YOURS = "YOURS"
    PLATFORM = "PLATFORM"
    UNKNOWN = "UNKNOWN"


OWNERS: dict[Reason, ReasonOwner] = {
    Reason.DONE: ReasonOwner.YOURS,
    Reason.USER: ReasonOwner.YOURS,
    Reason.INACTIVE: ReasonOwner.YOURS,
    Reason.UNCLAIMED: ReasonOwner.YOURS,
    Reason.POLICY_OVER: ReasonOwner.YOURS,
    Reason.HOST_STOPPED: ReasonOwner.PLATFORM,
    Reason.NODE_FAIL: ReasonOwner.PLATFORM,
    Reason.PREEMPTED: ReasonOwner.PLATFORM,
    Reason.TIME_LIMIT: ReasonOwner.YOURS,
    Reason.OUT_OF_MEMORY: ReasonOwner.YOURS,
    Reason.BOOT_FAIL: ReasonOwner.PLATFORM,
    Reason.DEADLINE: ReasonOwner.PLATFORM,
    Reason.LAUNCH_FAILED: ReasonOwner.PLATFORM,
    Reason.EXIT_CODE: ReasonOwner.UNKNOWN,
    Reason.ENVIRONMENT: ReasonOwner.PLATFORM,
    Reason.LIMIT: ReasonOwner.YOURS,
    Reason.SPEC_REFUSED: ReasonOwner.YOURS,
    Reason.UNKNOWN_TO_PROVIDER: ReasonOwner.PLATFORM,
}
"""A trainer that ended with an error may have met the user's data or its own fault: its exit code does not tell."""


def owner_of(reason: Reason | None) -> ReasonOwner:
    """Whose an end is; nobody's that anybody could name where no reason is known."""
    return ReasonOwner.UNKNOWN if reason is None else OWNERS[reason]
