"""What may drive a trainer besides the user's own loop."""

from __future__ import annotations

from dataclasses import dataclass

from connections.providers.recipe_parameters import RecipeParameter

VALIDATION_RECIPE = "validation"
"""A sample run of as many steps as its spec says, one of them at the full context. Users are never offered it."""


@dataclass(frozen=True)
class Recipe:
    """What may drive the trainer besides the user's own loop.

    `parameters` are what users may set of it. `formats` are those of the rows of the dataset that it trains on, none
    where it trains on no dataset of theirs; `measures` says that it takes a second one, to measure, `beside` that it is
    one of ours and drives a trainer that is not.
    """

    name: str
    label: str
    parameters: tuple[RecipeParameter, ...] = ()
    formats: tuple[str, ...] = ()
    measures: bool = False
    beside: bool = False
