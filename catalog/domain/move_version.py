"""Move a version from one state to another: the only writer of the state."""

from __future__ import annotations

from catalog.models import ShapeVersion
from catalog.states import VersionState, may_move
from wire.errors import FailedPrecondition

_WORDS = {
    VersionState.DRAFT: "a draft",
    VersionState.VALIDATING: "being validated",
    VersionState.VALIDATED: "validated",
    VersionState.REJECTED: "rejected",
}


def move_version(version: ShapeVersion, new: VersionState) -> None:
    """Write the state. Needs the shape locked. Errors: `FailedPrecondition` where the graph has no such move."""
    current = VersionState(version.state)
    if not may_move(current, new):
        raise FailedPrecondition(f"{version.name} is {_WORDS[current]}; it cannot become {_WORDS[new]}.")
    version.state = new
    version.save(update_fields=["state"])
