"""What a recipe of a checkout is told, of a launch's recorded spec."""

from __future__ import annotations

from django.conf import settings

from catalog.usage import RENDERERS
from connections.models import CookbookCheckout
from connections.providers.official import module_of
from connections.providers.runs import RunSpec
from connections.providers.spec import TrainerSpec
from launches.models import Launch
from wire.errors import FailedPrecondition


def run_spec(launch: Launch) -> RunSpec:
    """With the checkout as it is named now. Errors: `FailedPrecondition` where it is named no more."""
    spec = TrainerSpec.from_json(launch.spec)
    name, _ = module_of(spec.recipe)
    row = CookbookCheckout.objects.filter(name=name).first()
    if row is None or spec.dataset is None:
        raise FailedPrecondition(f"The recipe {spec.recipe} is offered no more: a superuser removed checkout {name}.")
    return RunSpec(
        recipe=spec.recipe,
        checkout=row.as_told,
        url=settings.SLIPWAY_URL,
        shape=spec.training_shape_version,
        base_model=spec.base_model,
        lora_rank=spec.lora_rank,
        context=spec.max_context_length,
        learning_rate=spec.learning_rate,
        parameters=spec.recipe_parameters or {},
        dataset=spec.dataset,
        evaluation=spec.evaluation,
        renderer=RENDERERS.get(spec.base_model, ""),
    )
