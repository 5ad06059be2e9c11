"""What may drive Slipway's own trainer where no loop of the user's does, and what that trainer never does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connections.providers.base import VALIDATION_RECIPE, Recipe
from connections.providers.spec import NO_RECIPE, TrainerSpec

RECIPES: Sequence[Recipe] = (
    Recipe("sample-sft", "Sample fine-tuning: the trainer drives itself"),
    Recipe(NO_RECIPE, "None: my own loop drives it"),
)


def reasons_of_trainer(spec: TrainerSpec, place: str) -> Iterator[str]:
    """Why our trainer cannot run the spec wherever it is started; `place` is where that is: "this machine"."""
    if spec.trainer_replica_count != 1:
        yield f"It asks for {spec.trainer_replica_count} trainer replicas; {place} runs 1 replica only."
    if spec.region:
        yield f"It asks for region {spec.region}; {place} has no regions: leave the region empty."
    if spec.recipe not in {*(recipe.name for recipe in RECIPES), VALIDATION_RECIPE}:
        yield f"The recipe {spec.recipe} is not one of {', '.join(recipe.name for recipe in RECIPES)}."
