"""Rows of the catalog with the words of the pages, worked out once instead of in the templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from catalog.enums import ARCHITECTURE_LABELS, MODE_LABELS, Architecture, IdSource
from catalog.fields.snapshots import Snapshot
from catalog.labels import accelerator_label, context_label
from catalog.places import whereabouts
from connections.models import Connection
from connections.providers.spec import TrainerMode
from wire.names import model_name


def rows_for_template(rows: Sequence[dict[str, Any]], connections: Sequence[Connection]) -> list[dict[str, Any]]:
    """Rows of `queries.read_page` or `queries.siblings`, with labels, and where each may run."""
    places = whereabouts((Snapshot.from_json(row["snapshot"]) for row in rows), connections)
    return [_row_for_template(row) | {"place": place} for row, place in zip(rows, places, strict=True)]


def _row_for_template(row: dict[str, Any]) -> dict[str, Any]:
    accelerator, architecture = row["accelerator_type"], row["architecture"]
    return row | {
        "mode_label": MODE_LABELS[TrainerMode(row["trainer_mode"])],
        "context_label": context_label(row["max_context"]),
        "hides_gpus": bool(row["snapshot"].get("hideSpecs")),
        "rl_gpus": row["snapshot"].get("rlAcceleratorCount"),
        "accelerator_label": accelerator_label(accelerator) if accelerator else "",
        "derived": row["id_source"] == IdSource.DERIVED,
        "variant": row["label"].partition("(")[2].removesuffix(")"),
        "model_name": model_name(row["model_account"], row["model"]),
        "architecture_label": ARCHITECTURE_LABELS[Architecture(architecture)] if architecture else "",
    }
