"""What a publisher may make of a launch field: another default, a smaller range, fewer choices, never more. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from math import isfinite
from typing import Any

from catalog.enums import MODE_LABELS, TrainerMode
from catalog.fields.launch_fields import MAX_HELP, MAX_VALUES, FieldType, LaunchField, common_fields
from catalog.labels import read_duration, value_label
from catalog.text_rules import refuse_text, refuse_unseen
from wire.errors import Violation

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
    changed, wrong = try_narrowing(field, change)
    if wrong:
        raise wrong[0]
    return changed


def try_narrowing(field: LaunchField, change: dict[str, Any]) -> tuple[LaunchField, tuple[Widened, ...]]:
    """The field with the change of `narrow_field`, and what is wrong with each part, the first to mend first."""
    allowed = ("help",) if field.type is FieldType.MODEL else NARROWED
    if unknown := sorted(set(change) - set(allowed)):
        sentence = f"{', '.join(unknown)} cannot be changed; change {', '.join(sorted(allowed))}"
        return field, (Widened(field.name, unknown[0], sentence),)
    changes: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in change.items()}
    wrong = {part: sentence for part, value in changes.items() if (sentence := _wrong_kind(field, part, value))}
    changed = replace(field, **changes)
    sure = replace(changed, **{part: getattr(field, part) for part in wrong})  # so that each part is judged by itself
    for part, refuse in _RULES:
        if part not in wrong and (sentence := refuse(field, sure)):
            wrong[part] = sentence
            sure = replace(sure, **{part: getattr(field, part)})
    return changed, tuple(Widened(field.name, part, sentence) for part, sentence in wrong.items())


def problems_of_fields(mode: TrainerMode, fields: Iterable[LaunchField]) -> list[Violation]:
    """What is wrong with a version's launch fields: one that its mode does not have, widened, or with a bad default.

    A violation's field is a path as in `catalog.fields.differences`, such as `launch_fields.lora_rank.maximum`.
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
        else:
            found += _problems_of(field, common[field.name])
    return found


def _problems_of(field: LaunchField, common: LaunchField) -> Iterator[Violation]:
    changes = {name: getattr(field, name) for name in NARROWED if getattr(field, name) != getattr(common, name)}
    if replace(common, **changes) != field:
        sentence = "only default, limits, choices, suggestions and help may differ from the common set."
        yield Violation(f"launch_fields.{field.name}", sentence)
        return
    _, wrong = try_narrowing(common, changes)
    for error in wrong:
        yield Violation(f"launch_fields.{field.name}.{error.part}", f"{error.sentence}.")


def _wrong_kind(field: LaunchField, part: str, value: object) -> str:
    """Why the value can be no such part of the field, whatever the limits are; "" where it can."""
    shown = str(value)[:60]
    if part == "help":
        if not isinstance(value, str) or not 0 < len(value) <= MAX_HELP:
            return f"help {shown!r} is no text of 1 to {MAX_HELP} characters"
        return refuse_unseen(value, lines=True).removesuffix(".")
    if part in ("minimum", "maximum"):
        word = "number" if field.type is FieldType.NUMBER else "whole number"
        return "" if value is None or _is_figure(field, value) else f"{part} {shown} is no {word}"
    if part == "default":
        return ""  # _illegal_default names its type, and its limits as they are then
    if not isinstance(value, tuple) or len(value) > MAX_VALUES:
        return f"{part} {shown} is no list of at most {MAX_VALUES} values"
    refusal = _illegal_choice(field, field, value)
    return f"{part}: {refusal}" if refusal else ""


def _is_figure(field: LaunchField, value: object) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole or (field.type is FieldType.NUMBER and isinstance(value, float) and isfinite(value))


def _low_minimum(common: LaunchField, field: LaunchField) -> str:
    if common.minimum is None or (field.minimum is not None and field.minimum >= common.minimum):
        return ""
    return f"minimum {field.minimum} is below the common minimum {common.minimum}"


def _high_maximum(common: LaunchField, field: LaunchField) -> str:
    if common.maximum is None or (field.maximum is not None and field.maximum <= common.maximum):
        return ""
    return f"maximum {field.maximum} is above the common maximum {common.maximum}"


def _crossed_limits(_: LaunchField, field: LaunchField) -> str:
    if field.minimum is None or field.maximum is None or field.minimum <= field.maximum:
        return ""
    return f"minimum {value_label(field.minimum)} is above maximum {value_label(field.maximum)}"


def _illegal_choices(common: LaunchField, field: LaunchField) -> str:
    if common.choices and not set(field.choices) <= set(common.choices):
        return f"choices {list(field.choices)} go beyond {list(common.choices)}"
    refusal = _illegal_choice(common, field, field.choices)
    return f"choices: {refusal}" if refusal else ""


def _illegal_default(common: LaunchField, field: LaunchField) -> str:
    """Why a form that is sent as it stands would be refused; "" where it would not."""
    if field.type is FieldType.MODEL:
        return ""
    if field.choices and field.default not in field.choices:
        return f"default {field.default} is not one of {list(field.choices)}"
    refusal = _illegal_value(common, field, field.default)
    between = ": " if field.type is FieldType.TEXT else " "
    return f"default{between}{refusal}" if refusal else ""


_RULES: tuple[tuple[str, Callable[[LaunchField, LaunchField], str]], ...] = (
    ("minimum", _low_minimum),
    ("maximum", _high_maximum),
    ("minimum", _crossed_limits),
    ("choices", _illegal_choices),
    ("default", _illegal_default),
)
"""By part what refuses it, given the common field and the one that it narrows; "" where it is right."""


def _illegal_choice(common: LaunchField, field: LaunchField, values: tuple[object, ...]) -> str:
    """Why a form with one of the values would be refused; "" where it would not."""
    return next((refusal for value in values if (refusal := _illegal_value(common, field, value))), "")


def _illegal_value(common: LaunchField, field: LaunchField, value: object) -> str:
    """Why the field cannot have the value; a limit that nobody narrowed is called the common one."""
    if field.type is FieldType.TEXT and isinstance(value, str):
        text = value.strip()  # as the form does
        return refuse_text(field.name, text, minimum=field.minimum, maximum=field.maximum).removesuffix(".")
    size, shown = _size(field, value), str(value)[:60]
    if size is None:
        return f"{shown!r} is no {field.type}"
    if field.minimum is not None and size < field.minimum:
        whose = "common " if field.minimum == common.minimum else ""
        return f"{shown} is below the {whose}minimum {value_label(field.minimum)}"
    if field.maximum is not None and size > field.maximum:
        whose = "common " if field.maximum == common.maximum else ""
        return f"{shown} is above the {whose}maximum {value_label(field.maximum)}"
    return ""


def _size(field: LaunchField, value: object) -> float | None:
    """What the limits bound: a figure or seconds; None where the value is of another kind."""
    if field.type is FieldType.TEXT:
        return None
    if field.type is FieldType.DURATION:
        return read_duration(value) if isinstance(value, str) else None
    return value if _is_figure(field, value) else None  # type: ignore[return-value]
