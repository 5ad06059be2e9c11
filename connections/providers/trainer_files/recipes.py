"""What may drive Slipway's own trainer where no loop of the user's does."""

from __future__ import annotations

from collections.abc import Sequence

from connections.providers.base import Recipe
from connections.providers.spec import NO_RECIPE

RECIPES: Sequence[Recipe] = (
    Recipe("sample-sft", "Sample fine-tuning: the trainer drives itself"),
    Recipe(NO_RECIPE, "None: my own loop drives it"),
)
