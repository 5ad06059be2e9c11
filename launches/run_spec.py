"""What a recipe that drives a trainer from here is told, of a launch's recorded spec."""

from __future__ import annotations

import re

from django.conf import settings

from catalog.usage import RENDERERS
from connections.models import CookbookCheckout
from connections.providers.checkpoints import CheckpointKind
from connections.providers.official import Checkout, module_of
from connections.providers.runs import RunSpec
from connections.providers.spec import TrainerSpec
from launches.models import Launch
from wire.errors import FailedPrecondition

_STEP = re.compile(r"step-([1-9][0-9]{0,8})", re.ASCII)


def run_spec(launch: Launch) -> RunSpec:
    """With the checkout as it is named now. Errors: `FailedPrecondition` where it is named no more."""
    spec = TrainerSpec.from_json(launch.spec)
    checkout = None if spec.recipe_beside else _checkout_of(spec)
    assert spec.dataset is not None
    checkpoint, step = _newest_of(launch)
    return RunSpec(
        recipe=spec.recipe,
        checkout=checkout,
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
        goes_on_from=checkpoint,
        goes_on_step=step,
    )


def _checkout_of(spec: TrainerSpec) -> Checkout:
    """Errors: as above."""
    name, _ = module_of(spec.recipe)
    row = CookbookCheckout.objects.filter(name=name).first()
    if row is None:
        raise FailedPrecondition(f"The recipe {spec.recipe} is offered no more: a superuser removed checkout {name}.")
    return row.as_told


def _newest_of(launch: Launch) -> tuple[str, int]:
    """The checkpoint that the recipe saved last in this launch, by the name that it gives, and of which step it is."""
    saved = launch.checkpoints.filter(kind=CheckpointKind.TRAINING, writing=False)
    told = saved.values_list("name", "requested_name")
    named = ((name, _STEP.fullmatch(asked or name)) for name, asked in told)
    found = [(int(match[1]), name) for name, match in named if match]
    step, name = max(found, default=(0, ""))
    return name, step
