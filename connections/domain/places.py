"""One place up or down in an order. Pure."""

from __future__ import annotations

from connections.models import Connection


def move_by_one(row: list[Connection], which: Connection, *, up: bool) -> tuple[int, int] | None:
    """Move it within the list; answers its places before and after, from 1; None where it is at that end already."""
    here = row.index(which)
    there = here - 1 if up else here + 1
    if not 0 <= there < len(row):
        return None
    row[here], row[there] = row[there], row[here]
    return here + 1, there + 1
