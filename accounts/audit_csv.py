"""The audit log as CSV, a chunk at a time. Pure but for the rows it is given."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from accounts.models import AuditEntry

HEAD = ("time", "actor", "verb", "target", "reason", "request_id", "before", "after")
PERSONAL_HEAD = ("address", "agent")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def head(*, personal: bool) -> str:
    """The first line; `personal` with the addresses that requests came from."""
    return _lines([(*HEAD, *PERSONAL_HEAD) if personal else HEAD])


def lines_of(entries: Iterable[AuditEntry], *, personal: bool) -> str:
    """A line an entry."""
    return _lines(
        [
            entry.created_at.isoformat(),
            entry.actor_label,
            entry.verb,
            entry.target,
            entry.reason,
            entry.request_id,
            _json(entry.before),
            _json(entry.after),
            *((entry.address or "", entry.agent) if personal else ()),
        ]
        for entry in entries
    )


def harmless(cell: str) -> str:
    """The cell with an apostrophe in front where a spreadsheet would take it for a formula and run it."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _lines(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def _json(value: dict[str, Any] | None) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)
