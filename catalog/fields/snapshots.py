"""The snapshot of a shape version: everything that the shape owns, as it was published. Pure.

A fact that nobody knows is None: shown as "chosen by the provider at launch", sent as UNSPECIFIED or "", not invented.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from catalog.enums import AcceleratorType, Engine, ShapeKind, WeightPrecision, known_or_text
from connections.providers.spec import ShardingScheme, TrainerMode
from wire.casing import camel_keys, snake

ADDED = frozenset({"hide_specs", "rl_accelerator_count", "engine"})
"""Fields that came later, None or False by default: then they are left out of what is stored, whose digests so stay."""


@dataclass(frozen=True)
class Snapshot:
    """One published shape: a training shape, or with no trainer mode a deployment shape, without a trainer's facts.

    `accelerator_count` is GPUs per node; `max_supported_context_length` is tokens; `parameter_count` is parameters.
    `rl_accelerator_count` is GPUs of trainer and rollouts together. With `hide_specs` counts and type say nothing.
    GPU type and precision are those of `catalog.enums`, or a newer one as text: a shape that runs elsewhere may say it.
    """

    name: str
    base_model: str
    trainer_mode: TrainerMode | None
    max_supported_context_length: int
    accelerator_count: int
    node_count: int
    display_name: str = ""
    description: str = ""
    model_type: str | None = None
    parameter_count: int | None = None
    accelerator_type: str | None = None
    trainer_sharding_scheme: ShardingScheme | None = None
    base_model_weight_precision: str | None = None
    trainer_image_tag: str | None = None
    deployment_shape_version: str | None = None
    deployment_image_tag: str | None = None
    hide_specs: bool = False
    rl_accelerator_count: int | None = None
    engine: Engine | None = None

    @property
    def kind(self) -> ShapeKind:
        """What runs from it."""
        return ShapeKind.DEPLOYMENT if self.trainer_mode is None else ShapeKind.TRAINING

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.accelerator_count * self.node_count

    def as_json(self) -> dict[str, Any]:
        """The stored form: camelCase, int64 as a string, None for what is unknown."""
        known = {name: value for name, value in vars(self).items() if value or name not in ADDED}
        scheme, count = self.trainer_sharding_scheme, self.parameter_count
        known |= {
            "trainer_sharding_scheme": scheme and vars(scheme),
            "parameter_count": None if count is None else str(count),
        }
        stored: dict[str, Any] = camel_keys(known)
        return stored

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Snapshot:
        """Read the stored form. Errors: `KeyError`, `TypeError` or `ValueError` where it is not one."""
        scheme, precision, accelerator, count, mode, engine = (
            stored["trainerShardingScheme"],
            stored["baseModelWeightPrecision"],
            stored["acceleratorType"],
            stored["parameterCount"],
            stored["trainerMode"],
            stored.get("engine"),
        )
        plain = {snake(key): value for key, value in stored.items()}
        return cls(
            **plain
            | {
                "trainer_mode": None if mode is None else TrainerMode(mode),
                "accelerator_type": known_or_text(AcceleratorType, accelerator) if accelerator else None,
                "base_model_weight_precision": known_or_text(WeightPrecision, precision) if precision else None,
                "engine": Engine(engine) if engine else None,
                "parameter_count": int(count) if count else None,
                "trainer_sharding_scheme": ShardingScheme(**{snake(k): v for k, v in scheme.items()})
                if scheme
                else None,
            }
        )


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, no escapes beyond JSON's own."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(snapshot: Snapshot, launch_fields: list[dict[str, Any]]) -> str:
    """sha256 (hex) over the canonical JSON of what a version freezes."""
    return digest_of_stored(snapshot.as_json(), launch_fields)


def digest_of_stored(snapshot: Any, launch_fields: Any) -> str:
    """The digest over the stored forms, whatever they hold."""
    frozen = {"snapshot": snapshot, "launchFields": launch_fields}
    return hashlib.sha256(canonical(frozen).encode()).hexdigest()
