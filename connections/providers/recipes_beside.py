"""Recipes of ours beside a trainer that is not: a loop through the SDK, as the user's own would be. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from connections.providers.recipes import Recipe
from connections.providers.spec import TrainerMode, TrainerSpec
from connections.providers.trainer_files.recipes import fitting

OF_SAMPLES = frozenset({"samples", "sample_tokens"})
"""Parameters of what is made inside our own trainer alone."""
NEEDS_ADAPTER = frozenset({"dpo"})
"""With all parameters trained, their reference would be another trainer, which their key cannot make."""


@dataclass(frozen=True)
class Beside:
    """The recipes of ours that can be had there, and in words what cannot."""

    recipes: tuple[Recipe, ...] = ()
    words: str = ""


def recipes_beside(spec: TrainerSpec, ours: Sequence[Recipe]) -> Beside:
    """Of the recipes that our trainer runs by itself, those that a loop can run for the spec."""
    is_lora = spec.trainer_mode is TrainerMode.LORA_TRAINER
    if spec.trainer_mode is TrainerMode.FORWARD_ONLY or (is_lora and spec.lora_rank == 0):
        return Beside()
    own = [fitting(recipe, spec.trainer_mode) for recipe in ours]
    return Beside(tuple(_offered(own, is_lora=is_lora)), " ".join(_words(is_lora=is_lora)))


def _offered(ours: Sequence[Recipe], *, is_lora: bool) -> Iterator[Recipe]:
    for recipe in ours:
        if is_lora or recipe.name not in NEEDS_ADAPTER:
            kept = tuple(one for one in recipe.parameters if one.name not in OF_SAMPLES)
            yield replace(recipe, parameters=kept, beside=True)


def _words(*, is_lora: bool) -> Iterator[str]:
    yield "The trainer there is not Slipway's own: recipes drive it from this machine, and write no samples."
    if not is_lora:
        yield f"{', '.join(sorted(NEEDS_ADAPTER))} needs a LoRA shape there."
