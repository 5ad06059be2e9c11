"""Reads of pushes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from catalog.models import TrainedModel
from connections.models import Destination
from launches.models import Checkpoint
from pushes.models import Push

MOST_SHOWN = 5
MOST_DESTINATIONS = 200


def pushes_of(source: TrainedModel | Checkpoint) -> Sequence[Push]:
    """The newest of them, the newest first."""
    return list(Push.objects.filter(**of_source(source)).select_related("started_by").order_by("-pk")[:MOST_SHOWN])


def destinations() -> Sequence[Destination]:
    """Where weights may be pushed to."""
    return list(Destination.objects.all()[:MOST_DESTINATIONS])


def of_source(source: TrainedModel | Checkpoint) -> dict[str, Any]:
    """The column that says what is pushed."""
    return {"model": source} if isinstance(source, TrainedModel) else {"checkpoint": source}
