"""What a user may set when launching from a shape: data of the shape version, with a common default set. Pure.

A publisher may narrow a field (`catalog.fields.narrowing`) or drop it. The common set has editions, and a version says
which one it narrows, so that a new edition changes nothing that exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from connections.providers.spec import TrainerMode
from wire.errors import FailedPrecondition

MAX_INACTIVITY_SECONDS = 3 * 60 * 60
MAX_DISPLAY_NAME = 63
MAX_HELP = 500
MAX_VALUES = 64
"""The most choices or suggestions of a field."""


class FieldType(StrEnum):
    """How a field's value is read."""

    MODEL = "model"
    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    DURATION = "duration"


@dataclass(frozen=True)
class LaunchField:
    """One editable field.

    `minimum` and `maximum` bound a number, an integer, the seconds of a duration, or the length of a text (inclusive).
    `choices`, where not empty, are the only values allowed. `suggestions` are values in common use.
    """

    name: str
    label: str
    type: FieldType
    help: str
    default: str | int | float | None = None
    minimum: int | float | None = None
    maximum: int | float | None = None
    choices: tuple[str | int | float, ...] = ()
    suggestions: tuple[str | int | float, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The stored form."""
        return vars(self) | {"choices": list(self.choices), "suggestions": list(self.suggestions)}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> LaunchField:
        """Read the stored form. Errors: `TypeError`, `ValueError`, `KeyError` where it is not one."""
        return cls(
            **stored
            | {
                "type": FieldType(stored["type"]),
                "choices": tuple(stored["choices"]),
                "suggestions": tuple(stored["suggestions"]),
            }
        )


_FIRST = (
    LaunchField(
        "base_model",
        "Base model",
        FieldType.MODEL,
        "The model whose weights the trainer starts from; one that the shape fits.",
    ),
    LaunchField(
        "lora_rank",
        "LoRA rank",
        FieldType.INTEGER,
        "Size of the adapter. 0 loads the base model without one, for forward-only use.",
        default=16,
        minimum=0,
        maximum=128,
        suggestions=(8, 16, 32, 64, 128),
    ),
    LaunchField(
        "learning_rate",
        "Learning rate",
        FieldType.NUMBER,
        "Step size of the optimizer; a training loop may send another with every step.",
        default=1e-5,
        minimum=1e-9,
        maximum=1.0,
        suggestions=(1e-6, 1e-5, 1e-4, 1e-3),
    ),
    LaunchField(
        "display_name",
        "Display name",
        FieldType.TEXT,
        "What you will call this launch; fewer than 64 characters.",
        default="",
        maximum=MAX_DISPLAY_NAME,
    ),
    LaunchField(
        "trainer_replica_count",
        "Trainer replicas",
        FieldType.INTEGER,
        "Data-parallel copies of the shape. Each costs the shape's GPUs again.",
        default=1,
        minimum=1,
        maximum=64,
    ),
    LaunchField(
        "deployment_replica_count",
        "Deployment replicas",
        FieldType.INTEGER,
        "Copies of the linked sampler deployment. 0 launches no deployment.",
        default=0,
        minimum=0,
        maximum=64,
    ),
    LaunchField(
        "region",
        "Region",
        FieldType.TEXT,
        "Leave empty to let the provider place the job.",
        default="",
        maximum=63,
    ),
    LaunchField(
        "inactivity_timeout",
        "Inactivity timeout",
        FieldType.DURATION,
        "The trainer is stopped after this long without a call. 3h at most.",
        default="60m",
        minimum=60,
        maximum=MAX_INACTIVITY_SECONDS,
        suggestions=("10m", "30m", "60m", "3h"),
    ),
)

EDITIONS: tuple[tuple[LaunchField, ...], ...] = (_FIRST,)
"""The common sets, the first one first. Versions, files and plans refer to them, so none of these ever changes: another
field, default or word is another edition at the end."""


@dataclass(frozen=True)
class FieldPlaces:
    """Where a launch field stands beside the form and the file, which know it by its name; the same in all editions.

    `spec` is the attribute of a launch's resolved spec that carries it, and `unset` what stands there where it is not
    offered. `wire` is its path in a trainer job of the API with a `note` for readers of the API, and `sdk` the argument
    of the official SDK, "" where they have none. `placeholder` and `optional` are the form's.
    """

    spec: str
    unset: str | int | float | None = None
    wire: str = ""
    note: str = ""
    sdk: str = ""
    placeholder: str = ""
    optional: bool = False
    modes: frozenset[TrainerMode] = frozenset(TrainerMode)


PLACES: dict[str, FieldPlaces] = {
    "trainer_replica_count": FieldPlaces(
        "trainer_replica_count", unset=1, wire="trainerReplicaCount", sdk="trainer_replica_count"
    ),
    "inactivity_timeout": FieldPlaces(
        "inactivity_timeout_seconds",
        unset=3600,
        wire="inactivityTimeout",
        note='such as "1800s"',
        sdk="inactivity_timeout",
    ),
    "base_model": FieldPlaces("base_model", wire="trainingConfig.baseModel", sdk="base_model"),
    "lora_rank": FieldPlaces(
        "lora_rank",
        unset=0,
        wire="trainingConfig.loraRank",
        sdk="lora_rank",
        modes=frozenset({TrainerMode.LORA_TRAINER}),
    ),
    "learning_rate": FieldPlaces(
        "learning_rate",
        wire="trainingConfig.learningRate",
        sdk="learning_rate",
        modes=frozenset({TrainerMode.LORA_TRAINER, TrainerMode.POLICY_TRAINER}),
    ),
    "region": FieldPlaces(
        "region",
        unset="",
        wire="trainingConfig.region",
        sdk="region",
        placeholder="chosen by the provider",
        optional=True,
    ),
    "display_name": FieldPlaces(
        "display_name",
        unset="",
        wire="displayName",
        sdk="display_name",
        placeholder="A name to find it by",
        optional=True,
    ),
    "deployment_replica_count": FieldPlaces("deployment_replica_count", unset=0),
}
"""Of every field of every edition, in the order in which a request is written."""


def newest_edition() -> int:
    """The edition that new drafts and new shapes of a file narrow."""
    return len(EDITIONS)


def refuse_edition(edition: int) -> str:
    """Why this Slipway cannot read fields of the edition; "" where it can."""
    if edition <= newest_edition():
        return ""
    return (
        f"Its launch fields are of edition {edition} of the common ones, and this Slipway knows {newest_edition()}: "
        "a newer Slipway wrote it. Upgrade this one, or choose another version."
    )


def edition_fields(edition: int | None = None) -> tuple[LaunchField, ...]:
    """The fields of all trainer modes in an edition, the newest unless told. Errors: `FailedPrecondition`."""
    if edition and (sentence := refuse_edition(edition)):
        raise FailedPrecondition(sentence)
    return EDITIONS[(edition or newest_edition()) - 1]


def common_fields(mode: TrainerMode | None, edition: int | None = None) -> tuple[LaunchField, ...]:
    """The default set for a trainer mode: fields that make no sense for the mode are absent; none without a mode."""
    return tuple(field for field in edition_fields(edition) if mode in PLACES[field.name].modes)


def every_field() -> dict[str, LaunchField]:
    """The fields of all editions by name, each as the newest edition that has it says it."""
    return {field.name: field for fields in EDITIONS for field in fields}
