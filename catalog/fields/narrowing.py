"""What a publisher may make of a launch field: another default, a smaller range, fewer choices, never more. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from catalog.enums import MODE_LABELS
from catalog.fields.launch_fields import MAX_HELP, MAX_VALUES, FieldType, LaunchField, common_fields, newest_edition
from catalog.fields.recipe_fields import is_of_recipe, of_recipes, recipe_fields
from catalog.fields.texts import bound_words
from catalog.fields.values import UnfitValue, is_kept, read_value, unreadable
from catalog.text_rules import refuse_unseen
from connections.providers.spec import TrainerMode
from wire.errors import Violation

NARROWED = ("default", "minimum", "maximum", "choices", "suggestions", "help")
"""What of a field a publisher may change."""

Changes = Mapping[str, Mapping[str, Any] | None]
"""By the name of a common field its parts that are changed, or None where it is not offered."""


class Widened(ValueError):
    """A narrowing that would allow what the common set does not; the message names field, value and limit.

    `part` is the one of NARROWED that is to blame, "" for the field itself, and `sentence` the message without the
    field's name.
    """

    def __init__(self, name: str, part: str, sentence: str) -> None:
        super().__init__(f"{name}: {sentence}")
        self.name, self.part, self.sentence = name, part, sentence


@dataclass(frozen=True)
class FittedFields:
    """What changes make of an edition of the common set; `wrong` says what they may not."""

    edition: int
    fields: tuple[LaunchField, ...]
    wrong: tuple[Widened, ...] = ()


def narrow(mode: TrainerMode | None, edition: int, changes: Changes) -> FittedFields:
    """The common fields of an edition with the changes, and the recipes' parameters that are changed.

    What is wrong is left as it is there.
    """
    fields = {field.name: field for field in common_fields(mode, edition)}
    beside, narrowed_beside = recipe_fields(mode), dict[str, LaunchField]()
    known = ", ".join((*fields, *beside))
    wrong: list[Widened] = []
    for name, change in changes.items():
        if name in beside:
            if change is None:
                wrong.append(Widened(name, "", "belongs to the recipes, so it can be narrowed and not left out"))
                continue
            narrowed, found = try_narrowing(beside[name], change)
            narrowed_beside |= {} if found or narrowed == beside[name] else {name: narrowed}
            wrong += found
        elif name not in fields:
            wrong.append(Widened(name, "", f"cannot be set for {mode}; there are {known}"))
        elif change is None:
            del fields[name]
        else:
            narrowed, found = try_narrowing(fields[name], change)
            fields[name] = fields[name] if found else narrowed
            wrong += found
    in_order = (narrowed_beside[name] for name in beside if name in narrowed_beside)
    return FittedFields(edition, (*fields.values(), *in_order), tuple(wrong))


def newest_fit(mode: TrainerMode | None, changes: Changes) -> FittedFields:
    """The newest edition that has all that is changed; what is wrong with the newest of all where none has."""
    fits = (narrow(mode, edition, changes) for edition in range(newest_edition(), 0, -1))
    newest = next(fits)
    return next((fit for fit in fits if not fit.wrong), newest) if newest.wrong else newest


def changes_of(
    mode: TrainerMode | None, edition: int, fields: Iterable[LaunchField]
) -> dict[str, dict[str, Any] | None]:
    """What makes the fields of an edition's common ones, as `narrow` takes it."""
    fields = tuple(fields)
    offered = {field.name: field for field in fields}
    changes: dict[str, dict[str, Any] | None] = {}
    for common in common_fields(mode, edition):
        field = offered.get(common.name)
        if field is None:
            changes[common.name] = None
        elif narrowed := {part: getattr(field, part) for part in NARROWED if _differs(field, common, part)}:
            changes[common.name] = narrowed
    for field in of_recipes(fields):
        common = recipe_fields(mode).get(field.name) or LaunchField(field.name, field.label, field.type, "")
        changes[field.name] = {part: getattr(field, part) for part in NARROWED if _differs(field, common, part)}
    return changes


def _differs(field: LaunchField, common: LaunchField, part: str) -> bool:
    """Whether the digest would: 1 and 1.0 are equal, and are not the same."""
    return repr(getattr(field, part)) != repr(getattr(common, part))


def renewed(mode: TrainerMode | None, edition: int, fields: Iterable[LaunchField]) -> tuple[LaunchField, ...]:
    """The fields of an edition brought to the newest one; a field's change that does not fit there is given up."""
    if edition == newest_edition():
        return tuple(fields)
    changes = changes_of(mode, edition, fields)
    wrong = {found.name for found in narrow(mode, newest_edition(), changes).wrong}
    return narrow(mode, newest_edition(), {name: changes[name] for name in changes if name not in wrong}).fields


def parts_of(field: LaunchField) -> tuple[str, ...]:
    """What of a launch field a publisher may change."""
    if field.type is FieldType.MODEL:
        return ("help",)
    return tuple(part for part in NARROWED if part != "suggestions") if is_of_recipe(field) else NARROWED


def try_narrowing(field: LaunchField, change: Mapping[str, Any]) -> tuple[LaunchField, tuple[Widened, ...]]:
    """One field with a publisher's change, and what is wrong with each part of it, the first to mend first.

    The change is `{default|minimum|maximum|choices|suggestions|help: value}`; of the base model only the help changes,
    since which models fit is worked out. Wrong is what would allow more than before, and a default that the form would
    refuse.
    """
    allowed = parts_of(field)
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


def problems_of_fields(
    mode: TrainerMode | None, fields: Iterable[LaunchField], edition: int | None = None
) -> list[Violation]:
    """What is wrong with a version's launch fields: one that its mode does not have, widened, or with a bad default.

    `edition` is the one that they narrow, None for the newest.

    A violation's field is a path as in `catalog.fields.differences`, such as `launch_fields.lora_rank.maximum`.
    """
    common = {field.name: field for field in common_fields(mode, edition)} | recipe_fields(mode)
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
    if field == common:
        return
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
        kind = FieldType.NUMBER if field.type is FieldType.NUMBER else FieldType.INTEGER
        return "" if value is None or is_kept(kind, value) else f"{part} {unreadable(kind, value)}"
    if part == "default":
        return ""  # _illegal_default names its type, and its limits as they are then
    if not isinstance(value, tuple) or len(value) > MAX_VALUES:
        return f"{part} {shown} is no list of at most {MAX_VALUES} values"
    refusal = _illegal_choice(field, field, value)
    return f"{part}: {refusal}" if refusal else ""


def _low_minimum(common: LaunchField, field: LaunchField) -> str:
    if common.minimum is None or (field.minimum is not None and field.minimum >= common.minimum):
        return ""
    return f"minimum {_limit(field, field.minimum)} is below the common minimum {_limit(field, common.minimum)}"


def _high_maximum(common: LaunchField, field: LaunchField) -> str:
    if common.maximum is None or (field.maximum is not None and field.maximum <= common.maximum):
        return ""
    return f"maximum {_limit(field, field.maximum)} is above the common maximum {_limit(field, common.maximum)}"


def _limit(field: LaunchField, bound: int | float | None) -> str:
    return bound_words(field, bound) or "none"


def _crossed_limits(_: LaunchField, field: LaunchField) -> str:
    if field.minimum is None or field.maximum is None or field.minimum <= field.maximum:
        return ""
    return f"minimum {bound_words(field, field.minimum)} is above maximum {bound_words(field, field.maximum)}"


def _illegal_choices(common: LaunchField, field: LaunchField) -> str:
    if common.choices and not set(field.choices) <= set(common.choices):
        return f"choices {list(field.choices)} go beyond {list(common.choices)}"
    refusal = _illegal_choice(common, field, field.choices)
    return f"choices: {refusal}" if refusal else ""


def _illegal_default(common: LaunchField, field: LaunchField) -> str:
    """Why a form that is sent as it stands would be refused; "" where it would not."""
    if field.type is FieldType.MODEL or (field.default is None and is_of_recipe(field)):
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
    if not is_kept(field.type, value):
        return unreadable(field.type, value)
    try:
        read_value(field, value, common=common)
    except UnfitValue as error:
        return error.wrong
    return ""
