"""What a user may set when launching from a shape: data of the shape version, with a common default set. Pure.

A publisher may narrow a field (another default, a smaller range, fewer choices) or drop it, never widen it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from math import isfinite
from typing import Any

from catalog.enums import MODE_LABELS, TrainerMode
from catalog.labels import read_duration, value_label
from catalog.text_rules import refuse_text
from wire.errors import Violation

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


NARROWED = ("default", "minimum", "maximum", "choices", "suggestions", "help")
"""What of a field a publisher may change."""


class Widened(ValueError):
    """A narrowing that would allow what the common set does not; the message names field, value and limit.

    `part` is the one of NARROWED that is to blame, and `sentence` the message without the field's name.
    """

    def __init__(self, name: str, part: str, sentence: str) -> None:
        super().__init__(f"{name}: {sentence}")
        self.part, self.sentence = part, sentence


def narrow_field(field: LaunchField, change: dict[str, Any]) -> LaunchField:
    """One field with a publisher's change. Of the base model only the help changes: which models fit is worked out.

    The change is `{default|minimum|maximum|choices|suggestions|help: value}`. Errors: `Widened` where it would allow
    more than before, or leaves a default that the form would refuse.
    """
    allowed = ("help",) if field.type is FieldType.MODEL else NARROWED
    if unknown := sorted(set(change) - set(allowed)):
        sentence = f"{', '.join(unknown)} cannot be changed; change {', '.join(sorted(allowed))}"
        raise Widened(field.name, unknown[0], sentence)
    changes: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in change.items()}
    for part, value in changes.items():
        if sentence := _wrong_kind(field, part, value):
            raise Widened(field.name, part, sentence)
    changed = replace(field, **changes)
    if field.minimum is not None and (changed.minimum is None or changed.minimum < field.minimum):
        sentence = f"minimum {changed.minimum} is below the common minimum {field.minimum}"
        raise Widened(field.name, "minimum", sentence)
    if field.maximum is not None and (changed.maximum is None or changed.maximum > field.maximum):
        sentence = f"maximum {changed.maximum} is above the common maximum {field.maximum}"
        raise Widened(field.name, "maximum", sentence)
    if field.choices and not set(changed.choices) <= set(field.choices):
        sentence = f"choices {list(changed.choices)} go beyond {list(field.choices)}"
        raise Widened(field.name, "choices", sentence)
    if changed.minimum is not None and changed.maximum is not None and changed.minimum > changed.maximum:
        sentence = f"minimum {value_label(changed.minimum)} is above maximum {value_label(changed.maximum)}"
        raise Widened(field.name, "minimum", sentence)
    if sentence := _illegal_choice(changed, changed.choices):
        raise Widened(field.name, "choices", f"choices: {sentence}")
    if sentence := _illegal_default(changed):
        raise Widened(field.name, "default", sentence)
    return changed


def problems_of_fields(mode: TrainerMode, fields: Iterable[LaunchField]) -> list[Violation]:
    """What is wrong with a version's launch fields: one that its mode does not have, widened, or with a bad default.

    A violation's field is a path as in `catalog.differences`, such as `launch_fields.lora_rank.maximum`.
    """
    common = {field.name: field for field in common_fields(mode)}
    fields = list(fields)
    found = []
    known = [field.name for field in fields if field.name in common]
    if known != [name for name in common if name in known]:
        found.append(Violation("launch_fields", f"They stand in another order, or twice; use {', '.join(common)}."))
    for field in fields:
        if field.name not in common:
            sentence = f"{MODE_LABELS[mode]} shapes do not offer {field.name}; use {', '.join(common)}."
            found.append(Violation(f"launch_fields.{field.name}", sentence))
        elif problem := _problem_of(field, common[field.name]):
            found.append(problem)
    return found


def _problem_of(field: LaunchField, common: LaunchField) -> Violation | None:
    if field == common:
        return None
    changes = {name: getattr(field, name) for name in NARROWED if getattr(field, name) != getattr(common, name)}
    if replace(common, **changes) != field:
        sentence = "only default, limits, choices, suggestions and help may differ from the common set."
        return Violation(f"launch_fields.{field.name}", sentence)
    try:
        narrow_field(common, changes)
    except Widened as error:
        return Violation(f"launch_fields.{field.name}.{error.part}", f"{error.sentence}.")
    return None


def _wrong_kind(field: LaunchField, part: str, value: object) -> str:
    """Why the value can be no such part of the field, whatever the limits are; "" where it can."""
    shown = str(value)[:60]
    if part == "help":
        readable = isinstance(value, str) and 0 < len(value) <= MAX_HELP and "\0" not in value
        return "" if readable else f"help {shown!r} is no text of 1 to {MAX_HELP} characters"
    if part in ("minimum", "maximum"):
        word = "number" if field.type is FieldType.NUMBER else "whole number"
        return "" if value is None or _is_figure(field, value) else f"{part} {shown} is no {word}"
    if part == "default":
        return ""  # _illegal_default names its type, and its limits as they are then
    if not isinstance(value, tuple) or len(value) > MAX_VALUES:
        return f"{part} {shown} is no list of at most {MAX_VALUES} values"
    refusal = _illegal_choice(field, value)
    return f"{part}: {refusal}" if refusal else ""


def _is_figure(field: LaunchField, value: object) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole or (field.type is FieldType.NUMBER and isinstance(value, float) and isfinite(value))


def _illegal_default(field: LaunchField) -> str:
    """Why a form that is sent as it stands would be refused; "" where it would not."""
    if field.type is FieldType.MODEL:
        return ""
    if field.choices and field.default not in field.choices:
        return f"default {field.default} is not one of {list(field.choices)}"
    refusal = _illegal_value(field, field.default)
    between = ": " if field.type is FieldType.TEXT else " "
    return f"default{between}{refusal}" if refusal else ""


def _illegal_choice(field: LaunchField, values: tuple[object, ...]) -> str:
    """Why a form with one of the values would be refused; "" where it would not."""
    return next((refusal for value in values if (refusal := _illegal_value(field, value))), "")


def _illegal_value(field: LaunchField, value: object) -> str:
    if field.type is FieldType.TEXT and isinstance(value, str):
        text = value.strip()  # as the form does
        return refuse_text(field.name, text, minimum=field.minimum, maximum=field.maximum).removesuffix(".")
    size, shown = _size(field, value), str(value)[:60]
    if size is None:
        return f"{shown!r} is no {field.type}"
    if field.minimum is not None and size < field.minimum:
        return f"{shown} is below the minimum {value_label(field.minimum)}"
    if field.maximum is not None and size > field.maximum:
        return f"{shown} is above the maximum {value_label(field.maximum)}"
    return ""


def _size(field: LaunchField, value: object) -> float | None:
    """What the limits bound: a figure or seconds; None where the value is of another kind."""
    if field.type is FieldType.TEXT:
        return None
    if field.type is FieldType.DURATION:
        return read_duration(value) if isinstance(value, str) else None
    return value if _is_figure(field, value) else None  # type: ignore[return-value]
