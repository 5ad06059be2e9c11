"""Reads of what connections offer, and of what looking there came to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Q, Subquery

from catalog.models import Offering, SyncRun
from catalog.states import SyncOutcome
from connections.models import Connection
from connections.opened import open_provider
from connections.providers.catalogs import Following, OffersCatalog
from connections.providers.errors import ProviderError
from connections.states import ConnectionState
from wire.names import parse_version_name

NOT_IN_CATALOG = (
    "When its catalog was last synced, this shape was not in it or was left out. Sync it again "
    "(`./run manage sync_catalog {}`), or choose another connection."
)
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


def count_offered(connection: Connection) -> tuple[int, int]:
    """How many shapes that syncs of it found there it has, and how many no more."""
    is_missing = Q(missing_since__isnull=False)
    found = Offering.objects.filter(connection=connection)
    counts = found.aggregate(all=Count("pk"), gone=Count("pk", filter=is_missing))
    return counts["all"] - counts["gone"], counts["gone"]


def look_up_offers(connections: Iterable[Connection], names: Iterable[str]) -> None:
    """Ask which of these connections offer those shapes, for `not_offered` to know.

    One query, which reads a row for each shape and connection, however many shapes they offer; none where none of them
    has a catalog.
    """
    following = [connection for connection in connections if offers_catalog(connection)]
    shapes = {parsed[:2] for parsed in map(parse_version_name, names) if parsed}
    if not (following and shapes):
        return
    accounts, ids = zip(*shapes, strict=True)
    shape = ("shape__account__account_id", "shape__shape_id")
    offers = Offering.objects.values_list("connection", *shape, "missing_since")
    named = offers.filter(connection__in=following, shape__account__account_id__in=accounts, shape__shape_id__in=ids)
    any_of = [offers.filter(connection=connection)[:1] for connection in following]  # whether it was ever looked at
    found: dict[int, dict[tuple[str, str], datetime | None]] = {}
    for connection_pk, account, shape_id, missing_since in named.union(*any_of, all=True):
        found.setdefault(connection_pk, {})[account, shape_id] = missing_since
    for connection in following:
        theirs = found.get(connection.pk)
        told = {each: _reasons(connection, theirs, each) for each in shapes}
        connection._not_offered = getattr(connection, "_not_offered", {}) | told  # type: ignore[attr-defined]


def not_offered(connection: Connection, name: str) -> tuple[str, ...]:
    """Why a shape (by its name or a version's) cannot be launched there, as the last sync found; empty where it may.

    No query where `look_up_offers` was asked about it.
    """
    parsed = parse_version_name(name)
    if parsed is None:
        return ()
    if parsed[:2] not in getattr(connection, "_not_offered", {}):
        look_up_offers([connection], [name])
    told: dict[tuple[str, str], tuple[str, ...]] = getattr(connection, "_not_offered", {})
    return told.get(parsed[:2], ())


def _reasons(
    connection: Connection, offers: Mapping[tuple[str, str], datetime | None] | None, shape: tuple[str, str]
) -> tuple[str, ...]:
    """Of what the connection offers; None where no sync found anything there."""
    if offers is None:
        return ()
    if shape not in offers:
        return (NOT_IN_CATALOG.format(connection.name),)
    since = offers[shape]
    return (f"It has not offered this shape since {since.date().isoformat()}.",) if since else ()
