"""Which connected provider takes a spec, and where none does, why not."""

from __future__ import annotations

from dataclasses import dataclass

from connections.providers.base import Provider, Recipe
from connections.providers.spec import NO_RECIPE, TrainerSpec
from launches.connected import connected_providers


@dataclass(frozen=True)
class Offer:
    """The first provider that the spec fits (None: there is none), its recipes, and every other one's reasons."""

    provider: Provider | None
    recipes: tuple[Recipe, ...]
    refusals: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def recipe_names(self) -> tuple[str, ...]:
        """Names of the recipes, the default one first."""
        return tuple(recipe.name for recipe in self.recipes) or (NO_RECIPE,)


def offer_for(spec: TrainerSpec) -> Offer:
    """Ask every connected provider in turn."""
    refusals: list[tuple[str, tuple[str, ...]]] = []
    for provider in connected_providers():
        reasons = tuple(provider.fits(spec))
        if not reasons:
            return Offer(provider, tuple(provider.recipes(spec)), tuple(refusals))
        refusals.append((provider.label, reasons))
    return Offer(None, (), tuple(refusals))


def refusal_sentence(offer: Offer) -> str:
    """Why nobody takes it, as one paragraph."""
    if not offer.refusals:
        return "No provider is connected to this Slipway, so nothing can be launched."
    return "No connected provider can run this. " + " ".join(
        f"{label}: {' '.join(reasons)}" for label, reasons in offer.refusals
    )
