"""Which GPU a shape gets that says how many it needs and not which: whoever runs the connection is asked, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from connections.providers.spec import TrainerSpec

NO_TYPE = "none"
"""An answer, too: such shapes never run there."""


@dataclass(frozen=True)
class TypeQuestion:
    """What has not been answered yet: `setting` keeps the answer, one of the types that are there, or `NO_TYPE`."""

    setting: str
    types: tuple[str, ...]


@runtime_checkable
class GivesTypes(Protocol):
    """A provider that asks its engine for GPUs of a type."""

    @property
    def type_question(self) -> TypeQuestion | None:
        """None once it was answered, and where there is nothing to choose from. Never touches the network."""

    def type_for(self, spec: TrainerSpec) -> str:
        """Of the GPUs that the spec gets, "" where nobody has said it. Never touches the network."""
