"""The configuration of a trainer, made of its spec."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from connections.providers.runs import RunSpec
from connections.providers.spec import DatasetFile, TrainerMode, TrainerSpec
from connections.providers.trainer_files import files
from connections.providers.trainer_files.recipes import DIVIDED
from wire.names import CROSS_JOB, is_id, parse_checkpoint_name

RECIPE_STEPS = 60


def make_config(
    spec: TrainerSpec,
    *,
    directory: Path,
    job_directory: Path,
    model_directory: Path | None,
    model_cache: Path,
    models_root: Path,
    bind: str,
    resume_from: str,
    nodes: int = 1,
) -> dict[str, Any]:
    """The trainer's CONFIG.json; trainer/config.py says what each field means. It is started once on each of the nodes,
    over which the processes of all replicas are divided."""
    return {
        "directory": str(directory / files.RECORDS),
        "checkpoints": str(job_directory / files.CHECKPOINTS),
        "jobs_root": str(job_directory.parent),
        "job": job_directory.name,
        "base_model": spec.base_model,
        "model_directory": str(model_directory) if model_directory else None,
        "model_cache": str(model_cache),
        "models_root": str(models_root),
        "trainer_mode": _mode(spec),
        "lora_rank": spec.lora_rank,
        "learning_rate": spec.learning_rate,
        "max_context_length": spec.max_context_length,
        "nodes": nodes,
        "processes": spec.trainer_processes // nodes,
        **_degrees(spec),
        "recipe": spec.recipe,
        "recipe_steps": spec.recipe_steps or RECIPE_STEPS,
        "inactivity_timeout_s": spec.inactivity_timeout_seconds,
        "host": bind,
        "port": 0,
        "resume_from": resume_from or None,
        "start_from": _start_from(spec),
        "start_step": spec.continue_step or 0,
        "extra_steps": spec.extra_steps or 0,
        "dataset": str(job_directory / files.DATASET) if spec.dataset else None,
        "dataset_sha256": spec.dataset.sha256 if spec.dataset else None,
        "evaluation": str(job_directory / files.EVALUATION) if spec.evaluation else None,
        "evaluation_sha256": spec.evaluation.sha256 if spec.evaluation else None,
        "parameters": spec.recipe_parameters or {},
    }


def data_of(spec: TrainerSpec | RunSpec) -> Iterator[tuple[DatasetFile, str]]:
    """What the trainer is given to read, and what each file is called in its job's folder."""
    for dataset, name in ((spec.dataset, files.DATASET), (spec.evaluation, files.EVALUATION)):
        if dataset:
            yield dataset, name


def _mode(spec: TrainerSpec) -> str:
    """A LoRA trainer without a rank has nothing to train: it serves forward passes."""
    frozen = spec.trainer_mode == TrainerMode.LORA_TRAINER and spec.lora_rank == 0
    return TrainerMode.FORWARD_ONLY if frozen else spec.trainer_mode


def _degrees(spec: TrainerSpec) -> dict[str, int]:
    """What the sharding scheme divides, as far as it does: a trainer of an earlier release knows no such fields."""
    degrees = spec.trainer_sharding_scheme.degrees if spec.trainer_sharding_scheme else {}
    return {f"{kind}_parallelism": degrees[kind] for kind in DIVIDED if degrees.get(kind, 1) > 1}


def _start_from(spec: TrainerSpec) -> str | None:
    """The checkpoint as our trainer calls it (those of the account's jobs lie beside each other), or the adapter."""
    parsed = parse_checkpoint_name(spec.continue_from or "")
    return f"{CROSS_JOB}{parsed[1]}/{parsed[2]}" if parsed else spec.adapter or None


def resumed_from(directory: Path) -> str:
    """The checkpoint that the attempt in the directory started from, "" for none."""
    name = (files.read_json(directory / files.CONFIG) or {}).get("resume_from")
    return name if isinstance(name, str) and is_id(name) else ""
