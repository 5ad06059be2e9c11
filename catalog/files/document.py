"""What a catalog document says, as values: an account's models with their shapes, each with where it stands. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from catalog.enums import Architecture, IdSource
from catalog.fields.launch_fields import LaunchField, newest_edition
from catalog.fields.narrowing import Changes, narrow
from catalog.fields.snapshots import Snapshot, digest
from catalog.files.problems import Place


@dataclass(frozen=True)
class Deprecation:
    """The warning that a shape's users get; `successor` is a shape's resource name, "" for none."""

    message: str
    successor: str = ""


@dataclass(frozen=True)
class ShapeEntry:
    """One shape of a document, as the next version would freeze it.

    `edition` is the one of the common launch fields that `launch_fields` narrow, by `changes` where a file says them.
    `version_id` is the one that its version has to have, where that is decided elsewhere; a file says it of deployment
    shapes only, which training shapes link by it.
    """

    shape_id: str
    id_source: IdSource
    snapshot: Snapshot
    launch_fields: tuple[LaunchField, ...]
    deprecated: Deprecation | None = None
    place: Place = field(default=Place(), compare=False)
    edition: int = field(default_factory=newest_edition, compare=False)
    changes: Changes = field(default_factory=dict, compare=False)
    version_id: str = field(default="", compare=False)

    def under(self, edition: int) -> ShapeEntry:
        """The entry as a narrowing of that edition; itself where that has not all that is changed."""
        if edition == self.edition:
            return self
        fit = narrow(self.snapshot.trainer_mode, edition, self.changes)
        return self if fit.wrong else replace(self, launch_fields=fit.fields, edition=edition)

    @property
    def digest(self) -> str:
        """The digest that its version has."""
        return digest(self.snapshot, [launch_field.as_json() for launch_field in self.launch_fields])


@dataclass(frozen=True)
class ModelFacts:
    """What the document's own account says of a base model; `aliases` are other names that it is found by.

    `named_here` says that nobody said the title: it was made from the id.
    """

    title: str
    family: str
    section: str = ""
    architecture: Architecture | None = None
    model_type: str | None = None
    parameter_count: int | None = None
    aliases: tuple[str, ...] = ()
    named_here: bool = False


@dataclass(frozen=True)
class ModelEntry:
    """One base model of a document, by resource name, with its shapes in order; another account's has no `facts`."""

    name: str
    facts: ModelFacts | None
    shapes: tuple[ShapeEntry, ...]
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True)
class Document:
    """A whole document, models in order. `display_name` is "" where it does not say the account's."""

    account_id: str
    display_name: str
    public: bool
    models: tuple[ModelEntry, ...]
    place: Place = field(default=Place(), compare=False)

    @property
    def shapes(self) -> list[ShapeEntry]:
        """All of its shapes, in order."""
        return [shape for model in self.models for shape in model.shapes]
