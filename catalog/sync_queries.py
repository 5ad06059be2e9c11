"""Reads of what connections offer, and of what looking there came to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Subquery

from catalog.models import Offering, SyncRun
from catalog.states import SyncOutcome
from connections.models import Connection
from connections.opened import open_provider
from connections.providers.base import ProviderError
from connections.providers.catalogs import Following, OffersCatalog
from connections.states import ConnectionState
from wire.names import parse_version_name

SOON = timedelta(minutes=10)
"""When a look that failed is tried again, where that is not later anyway."""


def offers_catalog(connection: Connection) -> OffersCatalog | None:
    """What tells its catalog, where it has one and can be asked."""
    try:
        provider = open_provider(connection)
    except ProviderError:
        return None
    return provider if isinstance(provider, OffersCatalog) else None


def due_connections(now: datetime, *, every: timedelta) -> Iterator[Connection]:
    """The open connections whose catalog is followed, was last looked at longer ago than that, and by nobody now."""
    looks = SyncRun.objects.filter(connection=OuterRef("pk"))
    last = looks.filter(finished_at__isnull=False).order_by("-pk")
    rows = (
        Connection.objects.filter(state=ConnectionState.OPEN)
        .exclude(Exists(looks.filter(finished_at__isnull=True)))
        .annotate(looked_at=Subquery(last.values("finished_at")[:1]), came_to=Subquery(last.values("outcome")[:1]))
    )
    for row in rows:
        pause = min(every, SOON) if row.came_to == SyncOutcome.FAILED else every
        if row.looked_at is not None and row.looked_at + pause > now:
            continue
        provider = offers_catalog(row)
        if provider is not None and provider.following is not Following.OFF:
            yield row


def last_runs(connection: Connection, number: int) -> list[SyncRun]:
    """Those that are over, the newest first."""
    return list(SyncRun.objects.filter(connection=connection, finished_at__isnull=False).order_by("-pk")[:number])


def proposed_renames(connection: Connection) -> list[tuple[str, str]]:
    """Base models that the newest look found under another name: by both, for a superuser to agree."""
    newest = next(iter(last_runs(connection, 1)), None)
    lines = newest.refused if newest and newest.outcome != SyncOutcome.FAILED else []
    return list(dict.fromkeys((line["from"], line["to"]) for line in lines if "from" in line))


def asked_for(connection: Connection) -> SyncRun | None:
    """The look that somebody waits for."""
    return SyncRun.objects.filter(connection=connection, finished_at__isnull=True).first()


def catalog_of(connection: Connection) -> dict[tuple[str, str], datetime | None]:
    """By account and id, the shapes that syncs of it found there, and since when it has one no more.

    Empty where there was no sync. One query, however often it is asked of the same value.
    """
    kept: dict[tuple[str, str], datetime | None] | None = getattr(connection, "_catalog", None)
    if kept is None:
        rows = Offering.objects.filter(connection=connection)
        found = rows.values_list("shape__account__account_id", "shape__shape_id", "missing_since")
        kept = {(account, shape_id): missing for account, shape_id, missing in found}
        connection._catalog = kept  # type: ignore[attr-defined]
    return kept


def not_offered(connection: Connection, name: str) -> tuple[str, ...]:
    """Why a shape (by its name or a version's) cannot be launched there, as the last sync found; empty where it may.

    One query at most for each connection that has a catalog, however many shapes are asked of.
    """
    catalog = catalog_of(connection) if offers_catalog(connection) else {}
    parsed = parse_version_name(name)
    if not catalog or parsed is None:
        return ()
    shape = (parsed[0], parsed[1])
    if shape not in catalog:
        return ("Its catalog does not have this shape.",)
    since = catalog[shape]
    return (f"It has not offered this shape since {since.date().isoformat()}.",) if since else ()
