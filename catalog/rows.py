"""Rows of the catalog with the words of the pages, worked out once instead of in the templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.safestring import SafeString

from catalog.enums import ARCHITECTURE_LABELS, MODE_LABELS, Architecture, IdSource
from catalog.fields.snapshots import Snapshot
from catalog.labels import accelerator_label, context_label
from catalog.places import Whereabouts, whereabouts
from connections.models import Connection
from connections.providers.spec import TrainerMode
from lists.rendered import rendered
from wire.names import model_name


@dataclass(frozen=True)
class ShownShape:
    """A row of the catalog: all that `catalog/row.html` shows. `title` is the base model's, "" under its heading."""

    account: str
    identifier: str
    trainer_mode: str
    mode_label: str
    variant: str
    derived: bool
    deprecated_at: datetime | None
    title: str
    context_label: str
    hides_gpus: bool
    gpus: int
    rl_gpus: int | None
    accelerator_label: str
    runs_on: tuple[str, ...]
    needs: str

    @classmethod
    def of(cls, row: dict[str, Any], place: Whereabouts, *, flat: bool) -> ShownShape:
        """Of a row of `with_words`; `flat` where it stands under no heading."""
        told = row | {"title": row["title"] if flat else "", "runs_on": place.runs_on, "needs": place.needs}
        return cls(**{name: told[name] for name in cls.__dataclass_fields__})


def row_html(row: dict[str, Any], place: Whereabouts, *, flat: bool) -> SafeString:
    """A row of `with_words`, that may run in those places."""
    return rendered("catalog/row.html", row=ShownShape.of(row, place, flat=flat))


def rows_for_template(rows: Sequence[dict[str, Any]], connections: Sequence[Connection]) -> list[dict[str, Any]]:
    """Rows of `queries.siblings` with labels, and where each may run."""
    places = whereabouts((Snapshot.from_json(row["snapshot"]) for row in rows), connections)
    return [with_words(row) | {"place": place} for row, place in zip(rows, places, strict=True)]


def with_words(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `queries.read_page` or `queries.siblings`, with labels instead of its snapshot."""
    accelerator, architecture = row["accelerator_type"], row["architecture"]
    told = {name: value for name, value in row.items() if name != "snapshot"}
    return told | {
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
