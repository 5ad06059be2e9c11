"""The script that does what a launch's recipe did, for its page. Pure."""

from __future__ import annotations

from catalog.usage import KEY_VARIABLE, URL_VARIABLE
from connections.providers.loop_script import loop_settings, write_loop
from connections.providers.official import official_module
from connections.providers.spec import TrainerSpec


def can_be_written(spec: TrainerSpec) -> bool:
    """Whether a script does the same: of a run of ours on a dataset that began with the base model."""
    trains = spec.dataset is not None and spec.recipe_parameters is not None
    return trains and spec.continue_from is None and not official_module(spec.recipe)


def write_script(spec: TrainerSpec) -> str:
    """The script of a spec that can be written."""
    assert spec.dataset is not None
    assert spec.recipe_parameters is not None
    settings = loop_settings(
        recipe=spec.recipe,
        base_model=spec.base_model,
        shape=spec.training_shape_version,
        lora_rank=spec.lora_rank,
        learning_rate=spec.learning_rate,
        context=spec.max_context_length,
        dataset=spec.dataset,
        evaluation=spec.evaluation,
        parameters=spec.recipe_parameters,
    )
    words = f"""Recipe {spec.recipe} as a loop through the SDK: the same rows in the same order.

    pip install fireworks-ai transformers torch jinja2
    export {URL_VARIABLE}=... {KEY_VARIABLE}=...
    python script.py

It makes a trainer job of its own. Change SETTINGS, or the loop at the end.
"""
    return write_loop(settings, words)
