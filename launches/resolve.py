"""Resolve what a user set, against what a shape version owns, into the complete spec. Pure; nothing else does it.

`resolve` answers the spec or every violation at once, each with field, value, limit and remedy. The form, the preview,
the task and every other door go through it, so they refuse the same things in the same words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.enums import MODE_LABELS, TrainerMode
from catalog.fields.launch_fields import FieldType, LaunchField
from catalog.fields.snapshots import Snapshot
from catalog.fields.texts import bound_text
from catalog.labels import read_duration
from catalog.text_rules import LONGEST_SHOWN, refuse_text
from launches.spec import NO_RECIPE, TrainerSpec
from wire.errors import Violation, capped
from wire.numbers import read_whole

Value = str | int | float | None

OWNED_BY_SHAPE = frozenset(
    {
        "accelerator_type",
        "accelerator_count",
        "node_count",
        "max_context_length",
        "max_supported_context_length",
        "custom_image_tag",
        "trainer_image_tag",
        "trainer_sharding_scheme",
        "base_model_weight_precision",
        "trainer_mode",
        "forward_only",
        "deployment_shape",
        "deployment_shape_version",
        "deployment_image_tag",
    }
)
RECIPE = "recipe"


@dataclass(frozen=True)
class Subject:
    """What is launched: a version under its resource name, and the models that its shape fits."""

    version_name: str
    snapshot: Snapshot
    fields: tuple[LaunchField, ...]
    fitting_models: tuple[str, ...]


def resolve(
    subject: Subject, inputs: Mapping[str, Any], *, recipes: Collection[str] = (NO_RECIPE,)
) -> TrainerSpec | tuple[Violation, ...]:
    """The spec for `inputs` (field name to text or number; absent, None or "" means the default), or all violations.

    `recipes` are the names that the provider offers, the default one first.
    """
    values, violations = _read_fields(subject, inputs)
    recipe, recipe_violations = _read_recipe(inputs.get(RECIPE), list(recipes))
    violations = [*_foreign(subject, inputs), *violations, *recipe_violations]
    if violations:
        return tuple(violations)
    snapshot = subject.snapshot
    return TrainerSpec(
        training_shape_version=subject.version_name,
        trainer_mode=snapshot.trainer_mode,
        base_model=str(values.get("base_model") or snapshot.base_model),
        lora_rank=int(values.get("lora_rank") or 0),
        learning_rate=None if values.get("learning_rate") is None else float(values["learning_rate"] or 0),
        display_name=str(values.get("display_name") or ""),
        trainer_replica_count=int(values.get("trainer_replica_count") or 1),
        deployment_replica_count=int(values.get("deployment_replica_count") or 0),
        region=str(values.get("region") or ""),
        inactivity_timeout_seconds=int(values.get("inactivity_timeout") or 3600),
        recipe=recipe,
        accelerator_type=snapshot.accelerator_type,
        accelerator_count=snapshot.accelerator_count,
        node_count=snapshot.node_count,
        max_context_length=snapshot.max_supported_context_length,
        trainer_image_tag=snapshot.trainer_image_tag,
        base_model_weight_precision=snapshot.base_model_weight_precision,
        trainer_sharding_scheme=snapshot.trainer_sharding_scheme,
        deployment_shape_version=snapshot.deployment_shape_version,
        deployment_image_tag=snapshot.deployment_image_tag,
    )


def _read_fields(subject: Subject, inputs: Mapping[str, Any]) -> tuple[dict[str, Value], list[Violation]]:
    values: dict[str, Value] = {}
    violations: list[Violation] = []
    for field in subject.fields:
        given = inputs.get(field.name)
        try:
            values[field.name] = read_value(field, field.default if _blank(given) else given, subject)
        except ValueError as error:
            violations.append(Violation(field.name, str(error)))
    return values, violations


def no_rank(given: Any) -> bool:
    """Whether a LoRA rank that was given says full parameters, as leaving it out does."""
    return _blank(given) or read_whole(given) == 0


def _blank(given: Any) -> bool:
    return given is None or (isinstance(given, str) and given.strip() == "")


def _read_recipe(given: Any, recipes: Sequence[str]) -> tuple[str, list[Violation]]:
    if _blank(given):
        return (recipes[0] if recipes else NO_RECIPE), []
    if given in recipes:
        return str(given), []
    return "", [Violation(RECIPE, f"{_shown(given)} is not a recipe here. Use {_one_of(recipes)}.")]


def _foreign(subject: Subject, inputs: Mapping[str, Any]) -> list[Violation]:
    """Violations of the names that are not fields of this version."""
    known = {field.name for field in subject.fields} | {RECIPE}
    found = [
        Violation(shortened(name), sentence)
        for name in inputs
        if name not in known and (sentence := _refuse_foreign(subject, name, inputs[name], known))
    ]
    return capped(found, field="inputs")


def _refuse_foreign(subject: Subject, name: str, given: Any, known: Collection[str]) -> str | None:
    mode = subject.snapshot.trainer_mode
    if name in OWNED_BY_SHAPE:
        return (
            f"{name} is owned by the shape ({subject.version_name}) and cannot be set. "
            "Leave it out, or choose a shape that has what you need."
        )
    if name == "lora_rank":
        if no_rank(given):
            return None  # 0 means full parameter, which is what these shapes are
        return (
            f"LoRA rank {_shown(given)} needs a LoRA shape; this is a {MODE_LABELS[mode]} shape, where the rank is 0. "
            "Leave it out, or choose a LoRA shape of the same base model."
        )
    if name == "learning_rate" and mode is TrainerMode.FORWARD_ONLY:
        return "A forward-only shape has no optimizer, so there is no learning rate to set. Leave it out."
    # repr escapes what cannot be seen; its quotes would only clutter a name
    return f"{_shown(name)[1:-1]} is not a field of this shape. The fields are {', '.join(sorted(known))}."


def read_value(field: LaunchField, given: Any, subject: Subject) -> Value:
    """One value, read and checked against its field. Errors: `ValueError` with a sentence for the user."""
    value = _read_model(given, subject) if field.type is FieldType.MODEL else _READERS[field.type](field, given)
    if field.choices and value not in field.choices and given not in field.choices:
        raise ValueError(f"{_shown(given)} is not a choice. Use {_one_of(field.choices)}.")
    return value


def _read_model(given: Any, subject: Subject) -> Value:
    if _blank(given):
        return subject.snapshot.base_model
    if given in subject.fitting_models or given == subject.snapshot.base_model:
        return str(given)
    raise ValueError(
        f"{_shown(given)} does not fit this shape, which is made for {subject.snapshot.base_model}. "
        f"Use {_one_of(subject.fitting_models or (subject.snapshot.base_model,))}."
    )


def _read_integer(field: LaunchField, given: Any) -> Value:
    number = read_whole(given)
    if number is None:
        raise ValueError(f"{_shown(given)} is not a whole number. {_range_remedy(field)}")
    return _within(field, number, str(given).strip())


def _read_number(field: LaunchField, given: Any) -> Value:
    text = str(given).strip()
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if isinstance(given, bool) or not math.isfinite(number) or "_" in text or not text.isascii():
        raise ValueError(f"{_shown(given)} is not a number. {_range_remedy(field)}")
    return _within(field, number, text)


def _read_text(field: LaunchField, given: Any) -> Value:
    if not isinstance(given, str):
        raise ValueError(f"{_shown(given)} is not a text.")
    text = given.strip()
    if refusal := refuse_text(field.name, text, minimum=field.minimum, maximum=field.maximum):
        raise ValueError(refusal)
    return text


def _read_duration(field: LaunchField, given: Any) -> Value:
    text = str(given).strip().replace(" ", "").lower()
    seconds = read_duration(text)
    if seconds is None:
        raise ValueError(f"{_shown(given)} is not a duration. Use figures with h, m or s, such as 30m, 1h30m or 1800s.")
    return _within(field, seconds, text)


_READERS: dict[FieldType, Callable[[LaunchField, Any], Value]] = {
    FieldType.INTEGER: _read_integer,
    FieldType.NUMBER: _read_number,
    FieldType.TEXT: _read_text,
    FieldType.DURATION: _read_duration,
}


def _within(field: LaunchField, number: int | float, text: str) -> int | float:
    if field.minimum is not None and number < field.minimum:
        raise ValueError(
            f"{shortened(text)} is below the limit of {bound_text(field, field.minimum)}. {_range_remedy(field)}"
        )
    if field.maximum is not None and number > field.maximum:
        raise ValueError(
            f"{shortened(text)} is above the limit of {bound_text(field, field.maximum)}. {_range_remedy(field)}"
        )
    return number


def _range_remedy(field: LaunchField) -> str:
    bounds = [bound_text(field, bound) for bound in (field.minimum, field.maximum) if bound is not None]
    bounds = list(dict.fromkeys(bounds))  # a field with one legal value: "Use 0", not "Use 0 to 0"
    common = f"; in common use: {', '.join(str(value) for value in field.suggestions)}" if field.suggestions else ""
    return f"Use {' to '.join(bounds)}{common}." if bounds else f"Change it{common}."


def _one_of(values: Collection[Any]) -> str:
    return "one of " + ", ".join(str(value) for value in values) if len(values) > 1 else str(next(iter(values), "none"))


def shortened(text: str) -> str:
    """At most 60 characters of what was sent."""
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."


def _shown(given: Any) -> str:
    return repr(shortened(str(given).lower() if isinstance(given, bool) else str(given)))
