"""Field masks and orders of a list, as the wire writes them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from wire.casing import camel

MOST = 50

Tree = Mapping[str, "Tree"]
"""Fields of a resource in camelCase; a field without parts has an empty tree."""


class MaskError(ValueError):
    """A path names no field."""


@dataclass(frozen=True)
class OrderBy:
    """One field to sort by."""

    field: str
    descending: bool


def parse_mask(text: str, fields: Tree) -> frozenset[tuple[str, ...]]:
    """The paths of a mask such as `name,snapshot.baseModel` (snake case is read, too); none for an empty one or `*`.

    Errors: `MaskError`.
    """
    wanted = [part.strip() for part in text.split(",") if part.strip()]
    if wanted == ["*"]:
        return frozenset()
    if len(wanted) > MOST:
        raise MaskError(f"{len(wanted)} paths are too many; the limit is {MOST}.")
    return frozenset(_path(part, fields) for part in wanted)


def _path(text: str, fields: Tree) -> tuple[str, ...]:
    path = tuple(camel(part) for part in text.split("."))
    level = fields
    for part in path:
        if part not in level:
            known = ", ".join(sorted(level)) or "none"
            raise MaskError(f"{text[:60]!r} is no field; there are {known}.")
        level = level[part]
    return path


def apply_mask(body: dict[str, Any], paths: Collection[tuple[str, ...]]) -> dict[str, Any]:
    """The body with what the paths name; all of it where there are none."""
    if not paths:
        return body
    whole = {path[0] for path in paths if len(path) == 1}
    deeper: dict[str, list[tuple[str, ...]]] = {}
    for head, *rest in paths:
        if rest and head not in whole:
            deeper.setdefault(head, []).append(tuple(rest))
    kept = {}
    for key, value in body.items():
        if key in whole:
            kept[key] = value
        elif key in deeper:
            kept[key] = apply_mask(value, deeper[key]) if isinstance(value, dict) else value
    return kept


def parse_order(text: str, fields: Collection[str]) -> tuple[OrderBy, ...]:
    """The fields of an order such as `create_time desc, name`; none for an empty one. Errors: `MaskError`."""
    orders = []
    for part in text.split(","):
        words = part.split()
        if not words and not text.strip():
            return ()
        if not 1 <= len(words) <= 2 or words[0] not in fields or (len(words) == 2 and words[1] not in ("asc", "desc")):
            known = ", ".join(sorted(fields))
            raise MaskError(f"{part.strip()[:60]!r} is no order; write a field ({known}), and desc to turn it round.")
        orders.append(OrderBy(words[0], words[-1] == "desc"))
    if len({order.field for order in orders}) < len(orders):
        raise MaskError("A field is named twice; name it once.")
    return tuple(orders)
