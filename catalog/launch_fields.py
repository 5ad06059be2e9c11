"""What a user may set when launching from a shape: data of the shape version, with a common default set. Pure.

A publisher may narrow a field (another default, a smaller range, fewer choices) or drop it, never widen it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from catalog.enums import TrainerMode

MAX_INACTIVITY_SECONDS = 3 * 60 * 60
MAX_DISPLAY_NAME = 63


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
        return asdict(self) | {"choices": list(self.choices), "suggestions": list(self.suggestions)}

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


_COMMON = (
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

_ABSENT: dict[TrainerMode, frozenset[str]] = {
    TrainerMode.POLICY_TRAINER: frozenset({"lora_rank"}),
    TrainerMode.LORA_TRAINER: frozenset(),
    TrainerMode.FORWARD_ONLY: frozenset({"lora_rank", "learning_rate"}),
}


def common_fields(mode: TrainerMode) -> tuple[LaunchField, ...]:
    """The default set for a trainer mode: fields that make no sense for the mode are absent."""
    return tuple(field for field in _COMMON if field.name not in _ABSENT[mode])


class Widened(ValueError):
    """A narrowing that would allow what the common set does not; the message names field, value and limit."""


def narrow(fields: Iterable[LaunchField], changes: dict[str, dict[str, Any] | None]) -> tuple[LaunchField, ...]:
    """The fields with a publisher's changes `{name: {default|minimum|maximum|choices|suggestions|help: value}}`.

    None instead of a change drops the field. Errors: `Widened` where a bound would grow; `KeyError` for a field that
    is not in the set.
    """
    by_name = {field.name: field for field in fields}
    for name, change in changes.items():
        field = by_name.pop(name) if change is None else by_name[name]
        if change is not None:
            by_name[name] = _narrowed(field, change)
    return tuple(by_name.values())


def _narrowed(field: LaunchField, change: dict[str, Any]) -> LaunchField:
    allowed = {"default", "minimum", "maximum", "choices", "suggestions", "help"}
    if unknown := sorted(set(change) - allowed):
        raise Widened(f"{field.name}: {', '.join(unknown)} cannot be changed; change {', '.join(sorted(allowed))}")
    changes: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in change.items()}
    changed = replace(field, **changes)
    if field.minimum is not None and (changed.minimum is None or changed.minimum < field.minimum):
        raise Widened(f"{field.name}: minimum {changed.minimum} is below the common minimum {field.minimum}")
    if field.maximum is not None and (changed.maximum is None or changed.maximum > field.maximum):
        raise Widened(f"{field.name}: maximum {changed.maximum} is above the common maximum {field.maximum}")
    if field.choices and not set(changed.choices) <= set(field.choices):
        raise Widened(f"{field.name}: choices {list(changed.choices)} go beyond {list(field.choices)}")
    return changed
