"""What an audit entry says has changed, field by field. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MOST_FIELDS = 200
NOTHING = "none"


@dataclass(frozen=True)
class Difference:
    """One field before and after, as text; NOTHING where it was not there."""

    field: str
    before: str
    after: str


def differences(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[Difference]:
    """The fields that differ, in the order of `before`, then `after`; fields of fields as `outer.inner`.

    At most two hundred; a last one then counts the rest.
    """
    old, new = dict(_flat(before or {})), dict(_flat(after or {}))
    changed = [
        Difference(field, _text(old, field), _text(new, field))
        for field in dict.fromkeys([*old, *new])
        if field not in old or field not in new or old[field] != new[field]
    ]
    more = len(changed) - MOST_FIELDS
    return [*changed[:MOST_FIELDS], Difference(f"and {more} more", "", "")] if more > 0 else changed


def _flat(value: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _flat(inner, f"{above}{name}.")
        else:
            yield f"{above}{name}", inner


def _text(values: dict[str, Any], field: str) -> str:
    value = values.get(field)
    if value is None or value == "":
        return NOTHING
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
