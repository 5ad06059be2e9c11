"""Shapes that say how many GPUs they need and not which, and a connection that would run them if it knew."""

from __future__ import annotations

from dataclasses import dataclass, replace

from catalog.enums import ShapeKind
from catalog.fields.snapshots import Snapshot
from catalog.models import ShapeVersion
from catalog.places import plain_spec, reasons_against
from catalog.visibility import of_kind
from connections.models import Connection
from connections.opened import open_provider
from connections.providers.errors import ProviderError
from connections.providers.unnamed import GivesTypes, TypeQuestion

MOST = 1000
"""Of the shapes that name none so many are looked at."""


@dataclass(frozen=True)
class Unnamed:
    """What the connection asks, and how many shapes wait for the answer; `is_more` says that there may be more."""

    question: TypeQuestion
    shapes: int
    is_more: bool


def unnamed_on(connection: Connection) -> Unnamed | None:
    """None where there is nothing to ask: it was answered, or would let no shape run. One query, no network."""
    try:
        provider = open_provider(connection)
    except ProviderError:
        return None
    question = provider.type_question if isinstance(provider, GivesTypes) else None
    if question is None:
        return None
    latest = ShapeVersion.objects.filter(of_kind(ShapeKind.TRAINING), is_latest_validated=True)
    nameless = latest.filter(accelerator_type__isnull=True, gpus__gt=0).order_by("pk")
    snapshots = list(nameless.values_list("snapshot", flat=True)[: MOST + 1])
    fit = sum(_would_fit(Snapshot.from_json(each), connection, question) for each in snapshots[:MOST])
    return Unnamed(question, fit, is_more=len(snapshots) > MOST) if fit else None


def _would_fit(snapshot: Snapshot, connection: Connection, question: TypeQuestion) -> bool:
    """Whether it may run there with one of the types."""
    spec = plain_spec(snapshot)
    return any(not reasons_against(connection, replace(spec, accelerator_type=kind)) for kind in question.types)
