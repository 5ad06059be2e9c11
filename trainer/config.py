"""What one trainer process is told: CONFIG.json, read and checked before anything heavy is imported."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from trainer.errors import ConfigError
from trainer.ranks.mesh import Scheme
from trainer.recipes import declared

POLICY, LORA, FORWARD_ONLY = "POLICY_TRAINER", "LORA_TRAINER", "FORWARD_ONLY"
MODES = (POLICY, LORA, FORWARD_ONLY)
VALIDATION = "validation"
RECIPES = ("none", "sample-sft", VALIDATION, *declared.NAMES)
PRECISIONS = FLOAT32, BFLOAT16 = ("float32", "bfloat16")


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """CONFIG.json, field by field. Paths are absolute.

    directory            this attempt's own files: endpoint.json, metrics.jsonl, exit-reason.json
    checkpoints          this job's checkpoints, shared by its attempts
    jobs_root            parent of the account's job directories: cross_job://JOB/NAME is jobs_root/JOB/checkpoints/NAME
    models_root          the models of the account: accounts/ACCOUNT/models/ID is models_root/ID, where models_root is
                         named like the account; None: there are none
    model_directory      a Hugging Face model directory; None: base_model is a demo model, made or found in model_cache
    lora_rank            the largest rank a client may ask for (LORA_TRAINER only)
    learning_rate        what the recipe uses; None: the recipe's own default for the mode
    max_context_length   tokens of one sequence, at most
    activation_checkpointing  whether layers are computed again for their gradients, which takes time and saves memory;
                         None: where the memory would not suffice otherwise
    precision            in which passes are computed, the parameters that are trained and their optimizer in float32
                         in any case; None: bfloat16 on GPUs, else float32
    nodes, processes     of how many nodes it has one process for each of so many GPUs, over which parameters are
                         sharded; on each node it is started once, with its number in SLURM_NODEID
    tensor_parallelism, context_parallelism, expert_parallelism  over how many of these processes each layer is divided,
                         the tokens of each sequence, and whole experts (trainer/ranks/mesh.py)
    inactivity_timeout_s seconds without a call (probes excepted) after which the process stops itself
    port                 0: any free one; endpoint.json says which
    resume_from          checkpoint of this job from which the recipe goes on
    start_from           cross_job://JOB/NAME: where there is no such checkpoint yet, it goes on from this one; or
                         accounts/ACCOUNT/models/ID, an adapter that every LoRA model begins as
    start_step           the step at which that was saved; the recipe does its steps from there
    extra_steps          steps that were asked for beyond those that the recipe has by itself
    dataset              a JSONL file that the recipe trains on, where it is one that does
    dataset_sha256       what the file has to be, in hexadecimal; None: whatever it is
    evaluation, evaluation_sha256  the same of a file that is measured and not trained on; None: rows of the dataset are
    parameters           those of the recipe, by name; recipes/declared.json has their defaults and limits
    """

    directory: Path
    checkpoints: Path
    jobs_root: Path
    job: str
    base_model: str
    model_cache: Path
    trainer_mode: str
    model_directory: Path | None = None
    models_root: Path | None = None
    lora_rank: int = 0
    learning_rate: float | None = None
    max_context_length: int = 2048
    activation_checkpointing: bool | None = None
    precision: str | None = None
    nodes: int = 1
    processes: int = 1
    tensor_parallelism: int = 1
    context_parallelism: int = 1
    expert_parallelism: int = 1
    recipe: str = "none"
    recipe_steps: int = 60
    inactivity_timeout_s: float = 3600
    host: str = "127.0.0.1"
    port: int = 0
    resume_from: str | None = None
    start_from: str | None = None
    start_step: int = 0
    extra_steps: int = 0
    dataset: Path | None = None
    dataset_sha256: str | None = None
    evaluation: Path | None = None
    evaluation_sha256: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def adapter(self) -> str | None:
        return self.start_from if self.start_from and self.start_from.startswith("accounts/") else None

    @property
    def scheme(self) -> Scheme:
        return Scheme(self.tensor_parallelism, self.context_parallelism, self.expert_parallelism)


_PATHS = (
    "directory",
    "checkpoints",
    "jobs_root",
    "model_cache",
    "model_directory",
    "models_root",
    "dataset",
    "evaluation",
)
_TEXTS = ("job", "base_model", "host", "resume_from", "start_from", "dataset_sha256", "evaluation_sha256")
_CHOICES = {"trainer_mode": MODES, "recipe": RECIPES, "precision": PRECISIONS}
_INTEGERS = {
    "lora_rank": (0, 1024),
    "max_context_length": (1, 10_000_000),
    "recipe_steps": (1, 1_000_000),
    "port": (0, 65535),
    "nodes": (1, 10_000),
    "processes": (1, 64),
    "tensor_parallelism": (1, 64),
    "context_parallelism": (1, 64),
    "expert_parallelism": (1, 1024),
    "start_step": (0, 2**31 - 1),
    "extra_steps": (0, 100_000_000),
}
_NULLABLE = (
    "model_directory",
    "models_root",
    "learning_rate",
    "activation_checkpointing",
    "precision",
    "resume_from",
    "start_from",
    "dataset",
    "dataset_sha256",
    "evaluation",
    "evaluation_sha256",
)


def load_config(path: Path) -> TrainerConfig:
    """Read CONFIG.json. Raises ConfigError naming the first field that is wrong."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}.") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} must hold one JSON object.")
    return parse_config(raw)


def parse_config(raw: Mapping[str, Any]) -> TrainerConfig:
    """Check a decoded CONFIG.json. Raises ConfigError naming the first field that is wrong."""
    known = {each.name: each for each in fields(TrainerConfig)}
    if unknown := sorted(set(raw) - set(known)):
        raise ConfigError(f"Unknown field {', '.join(unknown)}; known are {', '.join(known)}.")
    if missing := [name for name in known if _is_needed(known[name]) and name not in raw]:
        raise ConfigError(f"Missing field {', '.join(missing)}.")
    config = TrainerConfig(**{name: _value(name, value) for name, value in raw.items()})
    if config.trainer_mode == LORA and config.lora_rank < 1:
        raise ConfigError("lora_rank must be at least 1 for a LORA_TRAINER.")
    _check_scheme(config)
    if config.recipe in declared.NAMES:
        if config.dataset is None:
            raise ConfigError(f"dataset is missing: recipe {config.recipe} trains on one.")
        declared.read_parameters(config.recipe, config.parameters)
    return config


def _check_scheme(config: TrainerConfig) -> None:
    """Its degrees have to divide the processes that there are."""
    ranks, scheme = config.nodes * config.processes, config.scheme
    for each in (scheme.sharers, scheme.experts):
        if ranks % each:
            raise ConfigError(f"A sharding scheme of {scheme} needs a multiple of {each} processes; there are {ranks}.")


def _is_needed(known: Field[Any]) -> bool:
    return known.default is MISSING and known.default_factory is MISSING


def _value(name: str, value: Any) -> Any:
    if value is None and name in _NULLABLE:
        return None
    if name in _PATHS or name in _TEXTS:
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{name} must be a text that is not empty, not {value!r}.")
        if name in _PATHS and not Path(value).is_absolute():
            raise ConfigError(f"{name} must be an absolute path, not {value!r}.")
        return Path(value) if name in _PATHS else value
    if name == "parameters":
        if not isinstance(value, dict):
            raise ConfigError(f"parameters must be an object, not {value!r}.")
        return value
    if name == "activation_checkpointing":
        if not isinstance(value, bool):
            raise ConfigError(f"{name} must be true, false or null, not {value!r}.")
        return value
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise ConfigError(f"{name} must be one of {', '.join(_CHOICES[name])}, not {value!r}.")
        return value
    if name in _INTEGERS:
        low, high = _INTEGERS[name]
        if type(value) is not int or not low <= value <= high:
            raise ConfigError(f"{name} must be a whole number from {low} to {high}, not {value!r}.")
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value <= 0:
        raise ConfigError(f"{name} must be a number above 0, not {value!r}.")
    return float(value)
