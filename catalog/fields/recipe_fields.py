"""The parameters of recipes as fields that a shape version may narrow. Pure, but for the trainer's own declaration.

A version keeps those alone that it narrows. A default of None and a help of "" there are those of the recipe, since
recipes that share a parameter may differ in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from catalog.fields.launch_fields import FieldType, LaunchField
from connections.providers.spec import TrainerMode
from connections.providers.trainer_files.recipes import declared, fitting

RECIPE_PREFIX = "recipe."
"""Of a parameter's name among launch fields and among the inputs of a launch: `recipe.epochs`."""
_TRAINER = Path(__file__).resolve().parents[2] / "trainer"


@lru_cache
def recipe_fields(mode: TrainerMode | None = TrainerMode.LORA_TRAINER) -> dict[str, LaunchField]:
    """By name the parameters of all recipes as the trainer declares them; none where nothing is trained."""
    if mode not in (TrainerMode.LORA_TRAINER, TrainerMode.POLICY_TRAINER):
        return {}
    found: dict[str, LaunchField] = {}
    for recipe in declared(_TRAINER):
        for one in fitting(recipe, mode).parameters:
            field = LaunchField(
                f"{RECIPE_PREFIX}{one.name}",
                f"{one.label} (recipe)",
                FieldType(one.type),
                "",
                minimum=one.minimum,
                maximum=one.maximum,
                choices=one.choices,
            )
            found.setdefault(field.name, field)
    return found


def is_of_recipe(field: LaunchField) -> bool:
    """Whether it narrows a recipe's parameter and is no field of the shape."""
    return field.name.startswith(RECIPE_PREFIX)


def of_shape(fields: Iterable[LaunchField]) -> tuple[LaunchField, ...]:
    """Those that users set whatever the recipe is."""
    return tuple(field for field in fields if not is_of_recipe(field))


def of_recipes(fields: Iterable[LaunchField]) -> tuple[LaunchField, ...]:
    """Those that narrow parameters of recipes."""
    return tuple(field for field in fields if is_of_recipe(field))
