"""The life of a shape version; of syncs and of models that people made, the states. Pure.

    DRAFT --> VALIDATING --> VALIDATED
      |         |    ^           ^
      |         v    |           |
      |       REJECTED ----------+
      +--------------------------+   by hand, with a reason

Snapshot, launch fields, digest and id are frozen from the moment a version leaves DRAFT, so nothing leads back there:
a rejected version is validated again as it stands, or a new draft is based on it.

Published, public, deprecated and withdrawn are marks on a VALIDATED version, not states; on the wire they are the
booleans `validated` and `public`:

    published   it was the latest validated version of its shape at some time, and may be again (roll back)
    public      everybody may see it; never taken back, since others may have pinned it
    deprecated  still launched, with a warning; may be lifted
    withdrawn   never launched again; final
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum


class VersionState(StrEnum):
    """Where a version stands."""

    DRAFT = "DRAFT"
    VALIDATING = "VALIDATING"
    VALIDATED = "VALIDATED"
    REJECTED = "REJECTED"


LEGAL_MOVES: dict[VersionState, frozenset[VersionState]] = {
    VersionState.DRAFT: frozenset({VersionState.VALIDATING, VersionState.VALIDATED}),
    VersionState.VALIDATING: frozenset({VersionState.VALIDATED, VersionState.REJECTED}),
    VersionState.VALIDATED: frozenset(),
    VersionState.REJECTED: frozenset({VersionState.VALIDATING, VersionState.VALIDATED}),
}


def may_move(current: VersionState, new: VersionState) -> bool:
    """Whether a version may go from one state to the other."""
    return new in LEGAL_MOVES[current]


def is_offered(state: str, withdrawn_at: datetime | None) -> bool:
    """Whether a version may be used: validated and not withdrawn. On the wire that is `validated`."""
    return state == VersionState.VALIDATED and withdrawn_at is None


class SyncOutcome(StrEnum):
    """What a look at a connection's catalog came to; ASKED: nothing yet, it waits for a worker or one looks."""

    ASKED = "ASKED"
    APPLIED = "APPLIED"
    UNCHANGED = "UNCHANGED"
    PLANNED = "PLANNED"
    FAILED = "FAILED"


class ModelState(StrEnum):
    """Where a model that people made stands.

    CREATING --> READY
        +------> FAILED

    A failed one holds nothing, and its id is free.
    """

    CREATING = "CREATING"
    READY = "READY"
    FAILED = "FAILED"


class ModelKind(StrEnum):
    """What its files are: an adapter for a base model, or all the parameters of a model."""

    ADAPTER = "adapter"
    FULL = "full"
