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
    HOST_STOPPED = "HOST_STOPPED"
    EXIT_CODE = "EXIT_CODE"
    ENVIRONMENT = "ENVIRONMENT"
    LIMIT = "LIMIT"
    SPEC_REFUSED = "SPEC_REFUSED"
    UNKNOWN_TO_PROVIDER = "UNKNOWN_TO_PROVIDER"
