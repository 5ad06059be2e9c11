"""The content of the editor's form, written to its inputs and read back from what was posted. Pure.

An input is named as the field that it holds: `accelerator_count`, `trainer_sharding_scheme.tensor_parallelism`,
`launch_fields.lora_rank.maximum`; `launch_fields.lora_rank` alone is the box that says whether the field is offered.
Violations are named alike, so that each finds its input.
"""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from catalog.enums import ShapeKind
from catalog.fields.checks import joint_problems, range_problem
from catalog.fields.launch_fields import MAX_HELP, MAX_VALUES, FieldType, LaunchField, common_fields
from catalog.fields.narrowing import Widened, parts_of, try_narrowing
from catalog.fields.recipe_fields import is_of_recipe, recipe_fields
from catalog.fields.snapshot_fields import BY_KEY, FIELDS_OF, SCHEME, SnapshotField, ValueKind, value_of
from catalog.fields.snapshots import Snapshot
from catalog.fields.texts import bound_words, part_text
from catalog.fields.values import broken_limit, read
from catalog.labels import read_tokens
from catalog.text_rules import refuse_length
from connections.providers.spec import ShardingScheme
from wire.errors import Violation
from wire.numbers import read_whole

NOTE, LAUNCH_FIELDS = "note", "launch_fields"
ON = "on"

_GROUPED = re.compile(r"-?[0-9]{1,3}(,[0-9]{3}){1,5}")
_SHORTENED = re.compile(r"[0-9.,]+ ?[kKmMbBtT]")
_IN_FULL = {"parameters": "8000000000"}
"""How a figure of the unit is written, for those who shortened it."""
LISTS = frozenset({"choices", "suggestions"})


@dataclass(frozen=True)
class Content:
    """What a draft would hold; where there are `violations`, `snapshot` is None or fields are missing.

    Where it is None, `problems` are what keeps the values that can be read from being validated.
    """

    snapshot: Snapshot | None
    fields: tuple[LaunchField, ...]
    note: str
    violations: tuple[Violation, ...]
    problems: tuple[Violation, ...] = ()


def write_content(snapshot: Snapshot, fields: Sequence[LaunchField], note: str = "") -> dict[str, str]:
    """What stands in the inputs for a version: `read_content` of it gives the same version."""
    values = {NOTE: note}
    for field in FIELDS_OF[snapshot.kind]:
        value = value_of(snapshot, field.key)
        if field.kind is ValueKind.FLAG:
            values |= {field.key: ON} if value else {}
        elif not field.fixed:
            values[field.key] = "" if value is None else str(value)
    for offered in fields:
        prefix = f"{LAUNCH_FIELDS}.{offered.name}"
        values[prefix] = ON
        values |= {f"{prefix}.{part}": part_text(offered, part) for part in parts_of(offered)}
    return values


def read_content(
    values: Mapping[str, str],
    *,
    name: str,
    base_model: str,
    edition: int | None = None,
    kind: ShapeKind = ShapeKind.TRAINING,
) -> Content:
    """The version that the inputs describe, for the shape `name`, made for `base_model`.

    `edition` is the one of the common launch fields that it narrows, the newest unless told.
    """
    wrong: list[Violation] = []
    asked = [field for field in FIELDS_OF[kind] if not field.fixed]
    owned = {field.key: _read_field(field, values.get(field.key, ""), wrong) for field in asked}
    widened: list[Violation] = []
    mode = owned.setdefault("trainer_mode", None)
    narrowable = (*common_fields(mode, edition), *recipe_fields(mode).values())
    fields = _read_fields(narrowable, values, widened) if mode else ()
    note = values.get(NOTE, "").replace("\r\n", "\n").strip()
    unread = frozenset(violation.field for violation in wrong)
    known = _snapshot(owned | {key: _stand_in(BY_KEY[key]) for key in unread}, name=name, base_model=base_model)
    if unread:
        return Content(None, fields, note, (*wrong, *widened), joint_problems(known, unread=unread))
    return Content(known, fields, note, tuple(widened))


def _snapshot(owned: Mapping[str, Any], *, name: str, base_model: str) -> Snapshot:
    degrees = {key.removeprefix(f"{SCHEME}."): value for key, value in owned.items() if key.startswith(SCHEME)}
    given = {key: value for key, value in degrees.items() if value}
    others = {key: value for key, value in owned.items() if not key.startswith(SCHEME)}
    scheme = ShardingScheme(**given) if given else None
    return Snapshot(name=name, base_model=base_model, trainer_sharding_scheme=scheme, **others)


def _stand_in(field: SnapshotField) -> Any:
    """For a value that cannot be read, where a snapshot cannot be without one."""
    if field.optional:
        return None
    return field.choices[0] if field.kind is ValueKind.CHOICE else field.minimum


def _read_field(field: SnapshotField, text: str, found: list[Violation]) -> Any:
    """The value; what is wrong with it goes to `found`."""
    before = len(found)
    value = _read(field, text, found)
    if len(found) == before and (wrong := range_problem(field, value)):
        found.append(wrong)
    return value


def _read(field: SnapshotField, text: str, found: list[Violation]) -> Any:
    text = text.replace("\r\n", "\n").strip()
    if field.kind is ValueKind.FLAG:
        return bool(text)
    if not text:
        return None if field.head == SCHEME else field.unset
    if field.kind is ValueKind.WHOLE:
        return _read_whole(field, text, found)
    if field.kind is ValueKind.CHOICE:
        return _read_choice(field, text, found)
    return text


def _read_whole(field: SnapshotField, text: str, found: list[Violation]) -> int | None:
    if field.unit == "tokens":
        with suppress(ValueError):
            return read_tokens(text)
    if (number := read_whole(_plain(text))) is not None:
        return number
    bounds = f"Use {field.minimum:,} to {field.maximum:,}, in figures."
    if field.unit == "tokens":
        bounds = f"Use a size such as 256k, or a number of tokens: {field.minimum:,} to {field.maximum:,}."
    elif field.unit in _IN_FULL and _SHORTENED.fullmatch(text):
        bounds = f"Write {field.unit} in full, such as {_IN_FULL[field.unit]}: {field.minimum:,} to {field.maximum:,}."
    found.append(Violation(field.key, f"{text[:40]!r} is not a whole number. {bounds}"))
    return None


def _read_choice(field: SnapshotField, text: str, found: list[Violation]) -> Any:
    # The members themselves, since a snapshot holds those and not their texts.
    member = next((choice for choice in field.choices if choice == text), None)
    if member is None:
        found.append(Violation(field.key, f"{text[:40]!r} is not known. Use one of {', '.join(field.choices)}."))
    return member


def _read_fields(
    common: Sequence[LaunchField], values: Mapping[str, str], found: list[Violation]
) -> tuple[LaunchField, ...]:
    offered = [field for field in common if is_of_recipe(field) or f"{LAUNCH_FIELDS}.{field.name}" in values]
    read = []
    for field in offered:
        prefix = f"{LAUNCH_FIELDS}.{field.name}"
        unread, change = set(), {}
        for part in parts_of(field):
            try:
                change[part] = _read_part(field, part, values.get(f"{prefix}.{part}"))
            except ValueError as error:
                unread.add(part)
                found.append(Violation(f"{prefix}.{part}", str(error)))
        differs = {part: value for part, value in change.items() if value != getattr(field, part)}
        narrowed, wrong = try_narrowing(field, differs)
        for widened in wrong:
            if widened.part not in unread:
                sentence = f"{_sentence(widened.sentence)}{_remedy(field, widened)}"
                found.append(Violation(f"{prefix}.{widened.part}", sentence))
        if not (unread or wrong) and not (is_of_recipe(field) and narrowed == field):
            read.append(dataclasses.replace(narrowed, suggestions=_within(narrowed)))
    return tuple(read)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _remedy(field: LaunchField, widened: Widened) -> str:
    """What to do about it, with a space before; "" where the sentence itself says so."""
    limit = widened.part in {"minimum", "maximum"}
    if field.minimum is not None and (limit or "the common" in widened.sentence):
        return f" Use {bound_words(field, field.minimum)} to {bound_words(field, field.maximum)}."
    texts = field.type is FieldType.TEXT and not limit
    return "" if texts else " Change one of them."


def _within(field: LaunchField) -> tuple[str | int | float, ...]:
    """The suggestions that the limits leave."""
    return tuple(value for value in field.suggestions if not broken_limit(field, read(field.type, value)))


def _read_part(field: LaunchField, part: str, text: str | None) -> Any:
    """One part of a launch field; what is blank is the common one. Errors: `ValueError` with a sentence."""
    common = getattr(field, part)
    if text is None:
        return common
    text = text.replace("\0", "").replace("\r\n", "\n").strip()
    if part == "help":
        return _read_help(text) or common
    text = " ".join(text.splitlines())
    if part in LISTS:
        return _read_list(field, text)
    if not text:
        return common
    if part == "default":
        return _read_one(field, text)
    return _read_bound(field, text)


def _read_help(text: str) -> str:
    if refusal := refuse_length(text, MAX_HELP):
        raise ValueError(refusal)
    return text


def _read_list(field: LaunchField, text: str) -> tuple[str | int | float, ...]:
    try:
        each = next(csv.reader([text], skipinitialspace=True), [])
    except csv.Error:
        raise ValueError("It cannot be read. Write values with commas between them.") from None
    if len(each) > MAX_VALUES:
        raise ValueError(f"{len(each)} values are too many; the limit is {MAX_VALUES}. Leave some out.")
    return tuple(dict.fromkeys(_read_one(field, value.strip()) for value in each if value.strip()))


def _read_one(field: LaunchField, text: str) -> str | int | float:
    """A value as the version keeps it: a duration as it is written."""
    value = read(field.type, _plain(text))
    return text if field.type is FieldType.DURATION else value


def _read_bound(field: LaunchField, text: str) -> str | int | float:
    """A limit: a figure, the seconds of a duration, or the length of a text."""
    return read(FieldType.INTEGER if field.type is FieldType.TEXT else field.type, _plain(text))


def _plain(text: str) -> str:
    """A figure without its commas, `1,024` as 1024; all else as it is."""
    return text.replace(",", "") if _GROUPED.fullmatch(text) else text
