"""A launch field's value, read and judged: one reader for the form, the API, the editor, files and the checks. Pure.

People and programs write a value in several ways, all of which `read` takes; a version keeps it in one (`is_kept`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from typing import Any

from catalog.fields.launch_fields import FieldType, LaunchField
from catalog.fields.texts import bound_words
from catalog.labels import read_duration
from catalog.text_rules import refuse_text, shortened
from wire.numbers import read_whole

Value = str | int | float

_GROUPED = re.compile(r"\s*[0-9]{1,3}(,[0-9]{3})+\s*")
"""A whole number as sentences here write it."""
_WORDS = {
    FieldType.MODEL: "model",
    FieldType.INTEGER: "whole number",
    FieldType.NUMBER: "number",
    FieldType.TEXT: "text",
    FieldType.DURATION: "duration",
}
_REMEDIES = {
    FieldType.INTEGER: "Write it in figures.",
    FieldType.NUMBER: "Write it as 0.001 or 1e-3.",
    FieldType.DURATION: "Use figures with h, m or s, such as 30m, 1h30m or 1800s.",
}
_KEPT: dict[FieldType, type | tuple[type, ...]] = {
    FieldType.MODEL: str,
    FieldType.INTEGER: int,
    FieldType.NUMBER: (int, float),
    FieldType.TEXT: str,
    FieldType.DURATION: str,
}


class UnfitValue(ValueError):
    """A value that a field cannot have: what is `wrong`, and the `remedy`, "" where that says it already."""

    def __init__(self, wrong: str, remedy: str = "") -> None:
        super().__init__(f"{wrong}. {remedy}".strip())
        self.wrong, self.remedy = wrong, remedy


def read(kind: FieldType, given: Any) -> Value:
    """A whole number, a finite number, a text without blanks around it, or a duration's seconds. Errors: `UnfitValue`.

    Limits are `read_value`'s affair.
    """
    value: Value | None
    if kind is FieldType.INTEGER:
        value = read_whole(given.replace(",", "") if isinstance(given, str) and _GROUPED.fullmatch(given) else given)
    elif kind is FieldType.NUMBER:
        value = _read_number(given)
    elif kind is FieldType.DURATION:
        value = read_duration(str(given))
    else:
        value = given.strip() if isinstance(given, str) else None
    if value is None:
        raise UnfitValue(unreadable(kind, given), _REMEDIES.get(kind, ""))
    return value


def read_value(field: LaunchField, given: Any, *, common: LaunchField | None = None) -> Value:
    """The value as a launch of the field takes it. Errors: `UnfitValue`, with the field's limits as the remedy.

    With `common`, the field that this one narrows, the sentence says whose a limit is.
    """
    try:
        value = read(field.type, given)
    except UnfitValue as error:
        figure = field.type in {FieldType.INTEGER, FieldType.NUMBER}
        raise UnfitValue(error.wrong, range_remedy(field) if figure else error.remedy) from None
    if isinstance(value, str):
        if refusal := refuse_text(field.name, value, minimum=field.minimum, maximum=field.maximum):
            raise UnfitValue(refusal.removesuffix("."))
    elif part := broken_limit(field, value):
        raise UnfitValue(_beyond(field, part, given, common), range_remedy(field))
    if field.choices and value not in field.choices and given not in field.choices:
        raise UnfitValue(f"{shown(given)} is not a choice", f"Use {one_of(field.choices)}.")
    return value


def broken_limit(field: LaunchField, value: Value) -> str:
    """Which limit a value that was read breaks, `minimum` or `maximum`; "" where it keeps both."""
    size = len(value) if isinstance(value, str) else value
    if field.minimum is not None and size < field.minimum:
        return "minimum"
    return "maximum" if field.maximum is not None and size > field.maximum else ""


def is_kept(kind: FieldType, value: object) -> bool:
    """Whether it is such a value as a version keeps it: figures as numbers, a duration as it is written."""
    if isinstance(value, bool) or not isinstance(value, _KEPT[kind]):
        return False
    try:
        read(kind, value)
    except UnfitValue:
        return False
    return True


def kept(kind: FieldType, given: Any) -> Any:
    """`8.0` as 8 where a whole number is asked for, alone or in a list, as everybody reads it; all else as it is."""
    if isinstance(given, list):
        return [kept(kind, each) for each in given]
    whole = kind is FieldType.INTEGER and isinstance(given, float) and given.is_integer()
    return int(given) if whole else given


def unreadable(kind: FieldType, given: Any) -> str:
    """That it is no value of the kind."""
    return f"{shown(given)} is not a {_WORDS[kind]}"


def range_remedy(field: LaunchField) -> str:
    """What to use instead: the limits, and what is in common use."""
    bounds = [bound_words(field, bound) for bound in (field.minimum, field.maximum) if bound is not None]
    bounds = list(dict.fromkeys(bounds))  # a field with one legal value: "Use 0", not "Use 0 to 0"
    common = f"; in common use: {', '.join(str(value) for value in field.suggestions)}" if field.suggestions else ""
    return f"Use {' to '.join(bounds)}{common}." if bounds else f"Change it{common}."


def one_of(values: Collection[Any]) -> str:
    """The values that may be used, in words."""
    return "one of " + ", ".join(str(value) for value in values) if len(values) > 1 else str(next(iter(values), "none"))


def shown(given: Any) -> str:
    """What was given, in quotes, as a sentence repeats it."""
    return repr(shortened(str(given).lower() if isinstance(given, bool) else str(given)))


def _read_number(given: Any) -> float | None:
    text = str(given).strip()
    if isinstance(given, bool) or "_" in text or not text.isascii():
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _beyond(field: LaunchField, part: str, given: Any, common: LaunchField | None) -> str:
    limit = getattr(field, part)
    side = "below" if part == "minimum" else "above"
    whose = "limit of" if common is None else f"common {part}" if limit == getattr(common, part) else part
    return f"{shortened(str(given).strip())} is {side} the {whose} {bound_words(field, limit)}"
