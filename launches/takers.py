"""Which shapes of the catalog can train on a dataset as it is, and by which recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import QuerySet

from catalog.models import ShapeVersion
from catalog.shape_queries import BY_MODEL
from connections.models import Connection
from connections.providers.spec import DatasetFile, TrainerMode
from launches.placement import default_offer, place
from launches.recipes import DATASET
from launches.resolve import RECIPE
from launches.subjects import bare_subject

MOST_CONSIDERED, MOST_OFFERED = 12, 4


@dataclass(frozen=True)
class Taker:
    """A shape's latest version, and the first recipe that trains on the dataset there."""

    version: ShapeVersion
    recipe: str


def takers_of(listed: QuerySet[ShapeVersion], dataset: DatasetFile, connections: Sequence[Connection]) -> list[Taker]:
    """Of the catalog's first shapes that train those that take the dataset with nothing else set. One query."""
    rows = (
        listed.filter(
            deprecated_at__isnull=True, trainer_mode__in=[TrainerMode.POLICY_TRAINER, TrainerMode.LORA_TRAINER]
        )
        .select_related("shape__account", "shape__base_model__account")
        .order_by(*BY_MODEL.columns, "shape__position", "shape_id")
    )
    judged = (_judge(version, dataset, connections) for version in rows[:MOST_CONSIDERED] if not version.unreadable)
    return [taker for taker in judged if taker][:MOST_OFFERED]


def _judge(version: ShapeVersion, dataset: DatasetFile, connections: Sequence[Connection]) -> Taker | None:
    """As a launch with the recipe and the dataset would be placed."""
    subject = replace(bare_subject(version), datasets=(dataset,))
    _, offer = default_offer(subject, connections)
    recipe = next((each for each in offer.recipes if dataset.format.lower() in each.formats), None)
    if recipe is None:
        return None
    placed = place(subject, {RECIPE: recipe.name, DATASET: dataset.name}, connections, defaults=offer)
    return None if isinstance(placed.spec, tuple) or placed.offer.connection is None else Taker(version, recipe.name)
