"""What users may set of a recipe: data of whoever offers it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

INTEGER, NUMBER, TEXT = "integer", "number", "text"


@dataclass(frozen=True)
class RecipeParameter:
    """One of them. `type` is "integer", "number", or "text" with `choices`; limits are inclusive.

    `unit` is what it counts, "" for nothing; `source` says where the default is from. `of_adapter`: it says
    something where an adapter is trained alone.
    """

    name: str
    label: str
    type: str
    default: str | int | float
    help: str
    source: str
    minimum: int | float | None = None
    maximum: int | float | None = None
    choices: tuple[str | int | float, ...] = ()
    unit: str = ""
    of_adapter: bool = False

    @classmethod
    def from_json(cls, name: str, stored: Mapping[str, Any]) -> RecipeParameter:
        """As a trainer declares it. Errors: `TypeError`, `KeyError` where it is none."""
        return cls(name=name, **{**stored, "choices": tuple(stored.get("choices", ()))})
