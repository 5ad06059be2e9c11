"""A version as lists read it: what they answer with, since a row of the ORM's for each of its tables takes longer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from catalog.enums import ShapeKind
from catalog.fields.snapshots import Snapshot
from catalog.states import is_offered
from wire.names import version_name

COLUMNS = (
    *("pk", "shape_id", "snapshot", "version_id", "created_at", "updated_at", "state", "is_public"),
    *("is_latest_validated", "withdrawn_at", "max_context", "shape__shape_id", "shape__kind", "shape__created_at"),
    "shape__account__account_id",
)
"""What lists of versions answer and are ordered by; launch fields alone are as much again."""


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


def listed_version(row: Mapping[str, Any]) -> ListedVersion:
    """Of the values of COLUMNS."""
    collection = ShapeKind(row["shape__kind"]).collection
    return ListedVersion(
        version_name(row["shape__account__account_id"], row["shape__shape_id"], row["version_id"], collection),
        ListedShape(row["shape__created_at"]),
        Snapshot.from_json(row["snapshot"]),
        row["created_at"],
        row["updated_at"],
        is_offered(row["state"], row["withdrawn_at"]),
        row["is_public"],
        row["is_latest_validated"],
    )
