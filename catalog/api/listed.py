"""A version as lists read it: what they answer with, since a row of the ORM's for each of its tables takes longer."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from django.db.models import TextField
from django.db.models.functions import Cast

from catalog.enums import ShapeKind
from catalog.fields.snapshots import Snapshot
from catalog.states import is_offered
from wire.names import version_name

COLUMNS = (
    *("pk", "shape_id", "version_id", "created_at", "updated_at", "state", "is_public"),
    *("is_latest_validated", "withdrawn_at", "max_context", "shape__shape_id", "shape__kind", "shape__created_at"),
    "shape__account__account_id",
)
"""What lists of versions answer and are ordered by; launch fields alone are as much again."""
STORED = Cast("snapshot", TextField())
"""The snapshot as its text, by which what was read of it is found again: most of a list are as before."""
MOST_READ = 4_096
"""Snapshots that are kept as read, some 2 kB each."""


class ListedShape(NamedTuple):
    """What is answered of its shape beyond the snapshot."""

    created_at: datetime


class ListedVersion(NamedTuple):
    """What is answered of it, in the words of a `ShapeVersion`."""

    name: str
    shape: ListedShape
    frozen_snapshot: Snapshot
    created_at: datetime
    updated_at: datetime
    is_offered: bool
    is_public: bool
    is_latest_validated: bool


def listed_versions(rows: Sequence[Mapping[str, Any]]) -> list[ListedVersion]:
    """Of rows of the values of COLUMNS, and that of STORED under `stored`."""
    return [_listed(row) for row in rows]


def _listed(row: Mapping[str, Any]) -> ListedVersion:
    collection = ShapeKind(row["shape__kind"]).collection
    return ListedVersion(
        version_name(row["shape__account__account_id"], row["shape__shape_id"], row["version_id"], collection),
        ListedShape(row["shape__created_at"]),
        _read(row["stored"]),
        row["created_at"],
        row["updated_at"],
        is_offered(row["state"], row["withdrawn_at"]),
        row["is_public"],
        row["is_latest_validated"],
    )


@functools.lru_cache(MOST_READ)
def _read(stored: str) -> Snapshot:
    """The snapshot of its text."""
    return Snapshot.from_json(orjson.loads(stored))
