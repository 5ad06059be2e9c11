"""What may drive Slipway's own trainer where no loop of the user's does, and what that trainer never does."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from connections.providers.recipe_parameters import RecipeParameter
from connections.providers.recipes import VALIDATION_RECIPE, Recipe
from connections.providers.spec import NO_RECIPE, ShardingScheme, TrainerMode, TrainerSpec

COMPUTED_PRECISION = "BFLOAT16"
"""In which the trainer computes on GPUs."""
DIVIDED = ("tensor", "context", "expert")
"""Of the degrees of a sharding scheme those that the trainer follows."""
DECLARED = Path("recipes") / "declared.json"
"""In the trainer's package: what its recipes let people set."""
RECIPES: Sequence[Recipe] = (
    Recipe("sample-sft", "trains on a bundled sample"),
    Recipe(NO_RECIPE, "my own loop drives it"),
)
"""Those that need no dataset."""


def recipes_for(spec: TrainerSpec, trainer_package: Path) -> tuple[Recipe, ...]:
    """The recipes of the trainer, the default one first; those of datasets where there is something to train."""
    trains = spec.trainer_mode is not TrainerMode.FORWARD_ONLY and not _is_bare(spec)
    own = _of_mode(spec.trainer_mode, trainer_package) if trains else ()
    return (RECIPES[0], *own, *RECIPES[1:])


@lru_cache
def _of_mode(mode: TrainerMode | None, trainer_package: Path) -> tuple[Recipe, ...]:
    """Those of datasets: to make them anew for each of 100,000 shapes took a third of arranging the base models."""
    return tuple(fitting(recipe, mode) for recipe in declared(trainer_package))


def fitting(recipe: Recipe, mode: TrainerMode | None) -> Recipe:
    """The recipe with the parameters that say something in the mode."""
    if mode is TrainerMode.LORA_TRAINER:
        return recipe
    return replace(recipe, parameters=tuple(one for one in recipe.parameters if not one.of_adapter))


@lru_cache
def declared(trainer_package: Path) -> tuple[Recipe, ...]:
    """The recipes that train on a dataset, as the trainer declares them; none of a trainer that declares none."""
    try:
        told = json.loads((trainer_package / DECLARED).read_bytes())
    except FileNotFoundError:
        return ()
    return tuple(
        Recipe(
            recipe["name"],
            recipe["label"],
            tuple(
                RecipeParameter.from_json(name, told["parameters"][name] | recipe.get("changes", {}).get(name, {}))
                for name in recipe["parameters"]
            ),
            tuple(recipe["formats"]),
            measures=True,
        )
        for recipe in told["recipes"]
    )


def reasons_of_trainer(spec: TrainerSpec, place: str, recipes: Sequence[Recipe] = RECIPES) -> Iterator[str]:
    """Why our trainer cannot run the spec wherever it is started; `place` is where that is: "this machine"."""
    if spec.region:
        yield f"It asks for region {spec.region}; {place} has no regions: leave the region empty."
    yield from _reasons_of_shape(spec)
    if spec.recipe not in {*(recipe.name for recipe in recipes), VALIDATION_RECIPE}:
        yield f"The recipe {spec.recipe} is not one of {', '.join(recipe.name for recipe in recipes)}."


def _reasons_of_shape(spec: TrainerSpec) -> Iterator[str]:
    """What a shape may ask for of how its model is computed, and our trainer does not do."""
    scheme = spec.trainer_sharding_scheme or ShardingScheme()
    asked = [f"{kind} {degree}" for kind, degree in scheme.degrees.items() if degree > 1 and kind not in DIVIDED]
    asked += ["sequence parallelism"] if scheme.sequence_parallelism else []
    if asked:
        yield (
            f"The shape asks for a sharding scheme of {', '.join(asked)}; the trainer divides models by "
            f"{', '.join(DIVIDED)} parallelism and over the GPUs that those leave (FSDP2). Use a shape of these."
        )
    product = math.prod(degree for kind, degree in scheme.degrees.items() if kind in DIVIDED)
    gpus = spec.gpus_per_replica
    if not asked and product > 1 and (gpus % product or not gpus):
        yield (
            f"The shape divides its model over a multiple of {product} GPUs, and a replica of it has {gpus}. Use a "
            "shape whose degrees of parallelism divide its GPUs."
        )
    if spec.base_model_weight_precision not in (None, COMPUTED_PRECISION):
        yield (
            f"The shape keeps the weights of its base model in {spec.base_model_weight_precision}; the trainer "
            f"computes in {COMPUTED_PRECISION} and quantizes nothing. Use a shape of that, or one that names none."
        )


def _is_bare(spec: TrainerSpec) -> bool:
    return spec.trainer_mode is TrainerMode.LORA_TRAINER and spec.lora_rank == 0
