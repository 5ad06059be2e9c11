"""Which specs can run on the cluster, as far as the connection says. Pure but for looking at the models' folders."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from connections.providers.recipes import Recipe
from connections.providers.slurm.config import ONE, SlurmConfig
from connections.providers.slurm.made_models import is_adapter, made_here
from connections.providers.slurm.script import gres_for, type_for
from connections.providers.spec import TrainerSpec
from connections.providers.trainer_files.base_models import is_model
from connections.providers.trainer_files.demo_models import DEMO_MODELS
from connections.providers.trainer_files.recipes import RECIPES, reasons_of_trainer
from wire.counts import quantity

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def reasons_against(
    spec: TrainerSpec,
    config: SlurmConfig,
    models: Mapping[str, Path],
    weights: Path,
    recipes: Sequence[Recipe] = RECIPES,
) -> Iterator[str]:
    """Why the spec can never run there, one sentence a reason.

    `weights` has the models that accounts made here; `recipes` are those of the trainer.
    """
    if spec.hide_specs:
        yield "The shape does not tell its GPUs, so nobody could ask Slurm for them."
    elif spec.trainer_processes > 1 and config.processes == ONE:
        needs = f"The shape needs {quantity(spec.gpus_per_replica, 'GPU')} a replica"
        if spec.trainer_replica_count > 1:
            needs = f"It asks for {spec.trainer_replica_count} trainer replicas"
        yield (
            f"{needs}; the connection says that its trainer runs as one process, which uses one GPU: the others would "
            "be held and idle. A superuser sets its processes to several where that is not so."
        )
    elif gres_for(spec, config) is None:
        yield _no_gres(spec, config)
    if "{tag}" in config.image and not _TAG.fullmatch(spec.trainer_image_tag or ""):
        told = (
            f"names the image tag {spec.trainer_image_tag[:80]!r}, which is none"
            if spec.trainer_image_tag
            else "names no image tag"
        )
        yield f"The shape {told}, by which the connection chooses the image {config.image}."
    yield from reasons_of_trainer(spec, "this connection", recipes)
    made = made_here(weights, spec.base_model)
    if spec.adapter and not made_here(weights, spec.adapter):
        yield f"The adapter {spec.adapter} is not here (any more): choose another one, or none."
    if spec.base_model in models or spec.base_model in DEMO_MODELS:
        return
    if made and is_adapter(made):
        yield (
            f"{spec.base_model} is an adapter and no base model: launch its base model, and load it there "
            "(load_adapter)."
        )
    elif made is None:
        yield (
            f"The base model {spec.base_model} is not on the cluster as far as the connection says: a superuser can "
            "add the line with its folder there."
        )


def _no_gres(spec: TrainerSpec, config: SlurmConfig) -> str:
    """Why Slurm cannot be asked for its GPUs."""
    if kind := type_for(spec, config):
        whose = "" if spec.accelerator_type else ", which it gives where a shape names none"
        return (
            f"The connection does not say how Slurm calls {kind}{whose}; it knows "
            f"{', '.join(config.gres_by_type) or 'none'}. Where the cluster has them, a superuser adds the line under "
            "GPUs."
        )
    told = "gives such shapes none" if config.unnamed_type else "does not say which to give then"
    return (
        f"The shape does not say which GPU it needs, and the connection {told}: a superuser sets its GPU type where a "
        "shape names none."
    )


def mapped_models(models: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """By model that the connection maps, whether it is there, as seen from this side."""
    for model, directory in models.items():
        yield model, f"at {directory}" if is_model(directory) else f"has no config.json at {directory}"
