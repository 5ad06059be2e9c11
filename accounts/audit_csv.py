"""The audit log as CSV, a chunk at a time. Pure but for the rows it is given."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from accounts.models import AuditEntry

HEAD = ("time", "actor", "verb", "target", "reason", "request_id", "before", "after")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def head() -> str:
    """The first line."""
    return _lines([HEAD])


def lines_of(entries: Iterable[AuditEntry]) -> str:
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
