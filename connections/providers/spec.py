"""The resolved spec of a launch: everything a provider is told, complete and recorded. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any

from wire.names import parse_model_name

NO_RECIPE = "none"
"""The recipe of a trainer that the user's own loop drives."""


class TrainerMode(StrEnum):
    """What a trainer of the shape does."""

    POLICY_TRAINER = "POLICY_TRAINER"
    LORA_TRAINER = "LORA_TRAINER"
    FORWARD_ONLY = "FORWARD_ONLY"


@dataclass(frozen=True)
class ShardingScheme:
    """Degrees of parallelism of one replica; their product times the data-parallel rest is the number of GPUs."""

    tensor_parallelism: int = 1
    pipeline_parallelism: int = 1
    context_parallelism: int = 1
    expert_parallelism: int = 1
    sequence_parallelism: bool = False

    @property
    def degrees(self) -> dict[str, int]:
        """The degrees by what they divide."""
        return {
            "tensor": self.tensor_parallelism,
            "pipeline": self.pipeline_parallelism,
            "context": self.context_parallelism,
            "expert": self.expert_parallelism,
        }


@dataclass(frozen=True)
class DatasetFile:
    """A dataset as a trainer is given it: its resource name, the name of its file here, and what that holds."""

    name: str
    file: str
    sha256: str
    format: str
    rows: int


@dataclass(frozen=True)
class TrainerSpec:
    """What the user set and what the shape owns, side by side.

    `accelerator_count` is GPUs per node; `max_context_length` is tokens; `inactivity_timeout_seconds` is seconds.
    `learning_rate` is None for a forward-only trainer. None elsewhere means that the provider chooses.
    `continue_from` is the resource name of a checkpoint that the recipe goes on from, saved at `continue_step`; or of
    an adapter, a model of the account, that every LoRA model of the trainer begins as. `deployment_gpus` are those of
    one deployment replica, None where there is no deployment. `recipe_parameters` are all that the recipe has, by
    name; `dataset` is what it trains on, `evaluation` what it measures where that is no part of the dataset, and
    `extra_steps` are those asked for once it had run to its end. `recipe_beside` says that the recipe is one of ours
    and drives a trainer that is not.
    """

    training_shape_version: str
    trainer_mode: TrainerMode
    base_model: str
    lora_rank: int
    learning_rate: float | None
    display_name: str
    trainer_replica_count: int
    deployment_replica_count: int
    region: str
    inactivity_timeout_seconds: int
    recipe: str
    accelerator_type: str | None
    accelerator_count: int
    node_count: int
    max_context_length: int
    trainer_image_tag: str | None
    base_model_weight_precision: str | None
    trainer_sharding_scheme: ShardingScheme | None
    deployment_shape_version: str | None
    deployment_image_tag: str | None
    recipe_steps: int | None = None
    hide_specs: bool = False
    rl_accelerator_count: int | None = None
    continue_from: str | None = None
    continue_step: int | None = None
    deployment_gpus: int | None = None
    recipe_parameters: dict[str, str | int | float] | None = None
    dataset: DatasetFile | None = None
    extra_steps: int | None = None
    evaluation: DatasetFile | None = None
    recipe_beside: bool = False

    @property
    def is_driven_from_here(self) -> bool:
        """Whether its recipe is a process of ours beside the trainer and not the trainer's own: CHECKOUT/MODULE always,
        one of ours where the trainer is not."""
        return self.recipe_beside or "/" in self.recipe

    @property
    def for_trainer(self) -> TrainerSpec:
        """What the trainer is told: without a recipe that drives it from outside, as a loop of the user's would."""
        if not self.is_driven_from_here:
            return self
        without = replace(self, recipe=NO_RECIPE, recipe_parameters=None, dataset=None, evaluation=None)
        return replace(without, recipe_beside=False)

    @property
    def adapter(self) -> str:
        """Resource name of the adapter that training goes on from; "" where it is none."""
        return self.continue_from if self.continue_from and parse_model_name(self.continue_from) else ""

    @property
    def gpus_per_replica(self) -> int:
        """GPUs of one trainer replica."""
        return self.accelerator_count * self.node_count

    @property
    def trainer_nodes(self) -> int:
        """Nodes of all trainer replicas, each of which has its own."""
        return self.node_count * self.trainer_replica_count

    @property
    def trainer_processes(self) -> int:
        """Of all of them: one for each GPU, and one a node where there are none."""
        return self.trainer_nodes * max(1, self.accelerator_count)

    @property
    def trainer_gpus(self) -> int:
        """GPUs of all trainer replicas."""
        return self.gpus_per_replica * self.trainer_replica_count

    @property
    def sampler_gpus(self) -> int:
        """GPUs of all deployment replicas, beside those of the trainer."""
        return (self.deployment_gpus or 0) * self.deployment_replica_count

    def as_json(self) -> dict[str, Any]:
        """The recorded form; what came later (it has a default here) is left out where it says nothing, as before."""
        later = {field.name for field in fields(self) if field.default in (None, False)}
        return {
            name: value
            for name, value in asdict(self).items()
            if (value is not None and value is not False) or name not in later
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> TrainerSpec:
        """Read the recorded form. Errors: `KeyError`, `TypeError` or `ValueError` where it is not one."""
        scheme = stored["trainer_sharding_scheme"]
        return cls(
            **stored
            | {
                "trainer_mode": TrainerMode(stored["trainer_mode"]),
                "trainer_sharding_scheme": ShardingScheme(**scheme) if scheme else None,
                **{name: DatasetFile(**stored[name]) for name in ("dataset", "evaluation") if stored.get(name)},
            }
        )
