"""What uses a model that people made: launches that train it, and models that were trained from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from catalog.models import TrainedModel
from catalog.trained_queries import trained_models
from launches.models import Launch
from launches.states import ACTIVE

MOST = 20


@dataclass(frozen=True)
class ModelUses:
    """Launches that are not over, and adapters that are for it."""

    launches: Sequence[Launch]
    adapters: Sequence[TrainedModel]


def uses_of(model: TrainedModel) -> ModelUses:
    """What its deletion would touch, at most twenty of a kind. Two queries."""
    adapters = trained_models([model.account_id]).filter(base_model=model.name, lora_rank__gt=0)
    return ModelUses(launches_on(model), list(adapters.order_by("-pk")[:MOST]))


def launches_on(model: TrainedModel) -> Sequence[Launch]:
    """Launches that are not over and have it as their base model, or go on from it."""
    starts = Q(spec__base_model=model.name) | Q(spec__continue_from=model.name)
    active = Launch.objects.filter(starts, account=model.account_id, state__in=sorted(ACTIVE))
    return list(active.only("pk", "uid", "job_id", "display_name")[:MOST])
