"""The life of a shape version. Pure.

    DRAFT --> VALIDATING --> VALIDATED
      ^            |
      |            v
      +------- REJECTED

Snapshot, launch fields, digest and id are frozen from the moment a version leaves DRAFT. Public, deprecated and
withdrawn are marks on a VALIDATED version, not states: on the wire they are the booleans `validated` and `public`.
"""

from __future__ import annotations

from enum import StrEnum


class VersionState(StrEnum):
    """Where a version stands."""

    DRAFT = "DRAFT"
    VALIDATING = "VALIDATING"
    VALIDATED = "VALIDATED"
    REJECTED = "REJECTED"


LEGAL_MOVES: dict[VersionState, frozenset[VersionState]] = {
    VersionState.DRAFT: frozenset({VersionState.VALIDATING}),
    VersionState.VALIDATING: frozenset({VersionState.VALIDATED, VersionState.REJECTED}),
    VersionState.VALIDATED: frozenset(),
    VersionState.REJECTED: frozenset({VersionState.DRAFT}),
}
