"""The life of a dataset. Pure.

    UPLOADING --> CHECKING --> READY
        |            |   \\       |
        |            |    +--> REFUSED
        |            |         | |
        +------------+---------+-+--> DELETED

UPLOADING  not all of the file is here; a worker brings it, where it comes from a connection's directory
CHECKING   the file is here, and a worker reads it
READY      it can be trained on, and never changes
REFUSED    the check found what no recipe can train on, or the file could not be brought; nothing of it is kept
DELETED    somebody deleted it, or its upload was given up; its id is free again
"""

from __future__ import annotations

from enum import StrEnum


class DatasetState(StrEnum):
    """Where a dataset stands; `UPLOADING` and `READY` are the public API's words."""

    UPLOADING = "UPLOADING"
    CHECKING = "CHECKING"
    READY = "READY"
    REFUSED = "REFUSED"
    DELETED = "DELETED"


_S = DatasetState
LEGAL_MOVES: dict[DatasetState, frozenset[DatasetState]] = {
    _S.UPLOADING: frozenset({_S.CHECKING, _S.REFUSED, _S.DELETED}),
    _S.CHECKING: frozenset({_S.READY, _S.REFUSED, _S.DELETED}),
    _S.READY: frozenset({_S.DELETED}),
    _S.REFUSED: frozenset({_S.DELETED}),
    _S.DELETED: frozenset(),
}
KEPT = frozenset({_S.UPLOADING, _S.CHECKING, _S.READY})
"""Of these a file is here, which counts against the account's quota."""
WORKED_ON = frozenset({_S.UPLOADING, _S.CHECKING})
"""Not over yet."""


def may_move(current: DatasetState, new: DatasetState) -> bool:
    """Whether a dataset may go from one state to the other."""
    return new in LEGAL_MOVES[current]
