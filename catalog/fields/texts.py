"""What a launch field says, written for people and exactly, so that it reads back the same. Pure."""

from __future__ import annotations

from catalog.fields.launch_fields import FieldType, LaunchField
from catalog.labels import duration_label, value_label


def part_text(field: LaunchField, part: str) -> str:
    """One of NARROWED: a list with commas, as `csv` reads it back; "" for what there is not."""
    value = getattr(field, part)
    if isinstance(value, tuple):
        return ", ".join(_quoted(value_label(each)) for each in value)
    if part in {"minimum", "maximum"}:
        return bound_text(field, value)
    return value_label(value)


def bound_text(field: LaunchField, bound: int | float | None) -> str:
    """A limit in the field's own unit: seconds as 3h or 1m, figures plainly."""
    if field.type is FieldType.DURATION and bound is not None:
        return duration_label(int(bound))
    return value_label(bound)


def bound_words(field: LaunchField, bound: int | float | None) -> str:
    """The same for a sentence: `1,000,000`, which is read back, too."""
    return f"{bound:,}" if isinstance(bound, int) and field.type is FieldType.INTEGER else bound_text(field, bound)


def limits_text(field: LaunchField, unit: str = "") -> str:
    """What a value has to keep to, such as `0 to 128`, `only 0`, `1 to 1,024 rows` or `3 to 63 characters`.

    "" where nothing limits it; `unit` is what the value counts.
    """
    low, high = bound_words(field, field.minimum), bound_words(field, field.maximum)
    if field.type is FieldType.TEXT:
        return length_text(low if field.minimum else "", high)
    limits = f"only {low}" if low and low == high else " to ".join(filter(None, (low, high)))
    return f"{limits} {unit}".strip() if limits else ""


def length_text(low: str, high: str) -> str:
    """How long a text may be, from its limits in figures, "" for none."""
    if not (low or high):
        return ""
    bounds = f"{low} to {high}" if low and high else f"up to {high}" if high else f"at least {low}"
    return f"{bounds} characters"


def _quoted(text: str) -> str:
    escaped = text.replace('"', '""')
    return f'"{escaped}"' if {",", '"'} & set(text) else text
