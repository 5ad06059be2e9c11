"""Official recipes: those of a checkout of the public cookbook that a superuser named. Pure.

Their fields are those of our own recipes, with the same limits, as far as a recipe's Config has what they mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from connections.providers.recipe_parameters import RecipeParameter
from connections.providers.recipes import Recipe
from connections.providers.spec import TrainerMode, TrainerSpec

SDK_VERSION = "1.2.24"
"""Of the official SDK: the newest that goes with the cookbook as this release knows it."""
MODULE = "training.recipes."


@dataclass(frozen=True)
class Checkout:
    """A folder with the cookbook, the commit of it that counts (40 hexadecimal digits), and the SDK that goes with it.

    `name` is what people call it.
    """

    name: str
    path: str
    commit: str
    sdk: str = SDK_VERSION


@dataclass(frozen=True)
class OfficialRecipe:
    """A recipe by its module's name; `like` is the one of ours whose fields it has, those of `parameters`.

    `measures` says that it takes a second dataset to measure; `needs_adapter` that it trains LoRA shapes alone.
    """

    module: str
    like: str
    formats: tuple[str, ...]
    parameters: tuple[str, ...]
    needs_adapter: bool = False
    measures: bool = False


OFFICIAL = (
    OfficialRecipe(
        "sft_loop",
        "sft",
        ("chat", "completion"),
        ("epochs", "batch_rows", "schedule", "warmup", "evaluation_split", "save_every", "seed"),
        measures=True,
    ),
    OfficialRecipe(
        "dpo_loop",
        "dpo",
        ("preference",),
        ("epochs", "batch_rows", "schedule", "warmup", "save_every", "beta"),
        needs_adapter=True,  # a reference of its own would be another trainer, which its key cannot make
    ),
    OfficialRecipe(
        "orpo_loop",
        "orpo",
        ("preference",),
        ("epochs", "batch_rows", "schedule", "warmup", "save_every", "seed", "beta"),
    ),
)


def official_recipes(spec: TrainerSpec, checkouts: Sequence[Checkout], ours: Sequence[Recipe]) -> tuple[Recipe, ...]:
    """What the checkouts offer for the spec; `ours` are our own recipes, of which they have the fields."""
    return tuple(_offered(spec, checkouts, {recipe.name: recipe for recipe in ours}))


def _offered(spec: TrainerSpec, checkouts: Sequence[Checkout], ours: dict[str, Recipe]) -> Iterator[Recipe]:
    if spec.trainer_mode is TrainerMode.FORWARD_ONLY:
        return
    is_lora = spec.trainer_mode is TrainerMode.LORA_TRAINER
    if is_lora and spec.lora_rank == 0:
        return
    for checkout in checkouts:
        for each in OFFICIAL:
            if each.like in ours and (is_lora or not each.needs_adapter):
                name = f"{checkout.name}/{each.module}"
                fields = _fields(each, ours[each.like])
                yield Recipe(name, "by the cookbook", fields, each.formats, measures=each.measures)


def _fields(each: OfficialRecipe, ours: Recipe) -> tuple[RecipeParameter, ...]:
    known = {parameter.name: parameter for parameter in ours.parameters}
    return tuple(replace(known[name]) for name in each.parameters if name in known)


def official_module(recipe: str) -> str:
    """The module of an official recipe; "" of any other."""
    return recipe.partition("/")[2]


def module_of(recipe: str) -> tuple[str, str]:
    """The checkout's name and the recipe's module, of the name of an official recipe. Errors: `ValueError`."""
    checkout, slash, module = recipe.partition("/")
    if not slash or module not in {each.module for each in OFFICIAL}:
        raise ValueError(f"{recipe[:80]!r} is no official recipe.")
    return checkout, f"{MODULE}{module}"
