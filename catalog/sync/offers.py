"""What a connection offers, once it is read: the values that the catalog here is compared with. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from catalog.fields.snapshots import Snapshot
from catalog.files.document import ModelFacts, ShapeEntry

NOT_PUBLIC = "It is not public there, and here everybody would see it."


@dataclass(frozen=True)
class OfferedShape:
    """A shape that is offered there, as its version here would be. `account` is the one here.

    Of a shape that a file says `version_id` is "", since files have none, and `filed` is all that it says.
    """

    account: str
    shape_id: str
    version_id: str
    snapshot: Snapshot
    filed: ShapeEntry | None = None


@dataclass(frozen=True)
class RefusedLine:
    """A line of the catalog there that was left out.

    `renames` are the names of its base model, here and there, where that may be one model under a new name.
    """

    name: str
    reason: str
    renames: tuple[str, str] | None = None

    def as_json(self) -> dict[str, str]:
        """As a run keeps it."""
        told = {"name": self.name, "reason": self.reason}
        return told | ({"from": self.renames[0], "to": self.renames[1]} if self.renames else {})


@dataclass(frozen=True)
class Offered:
    """By account here the shapes, and the ids of all shapes that are named there; what cannot be read; what is said of
    base models, by their names here.
    """

    shapes: Mapping[str, Sequence[OfferedShape]]
    listed: Mapping[str, set[str]]
    refused: tuple[RefusedLine, ...]
    facts: Mapping[str, ModelFacts]

    @property
    def count(self) -> int:
        """How many shapes there are, of all accounts."""
        return sum(len(shapes) for shapes in self.shapes.values())
