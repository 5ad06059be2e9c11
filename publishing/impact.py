"""What an action on a version or a shape touches, told before anybody confirms it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet

from catalog.domain.shape_lock import latest_of
from catalog.domain.withdraw_version import fallback_of
from catalog.models import ShapeVersion, TrainingShape
from launches.models import Launch
from launches.states import ACTIVE, AttemptState
from publishing.actions import Verb
from publishing.queries import IN_WORK

RECENT = timedelta(days=30)
MOST_NAMES = 20
WAITING = frozenset({AttemptState.QUEUED, AttemptState.PENDING})
OF_THE_SHAPE = frozenset({Verb.PUBLISH, Verb.MAKE_PUBLIC, Verb.ROLL_BACK})
"""Verbs that change what the shape's name stands for, so that launches of all of its versions are of interest."""


@dataclass(frozen=True)
class Person:
    """A member of the shape's account, and how many launches they made lately."""

    username: str
    launches: int


@dataclass(frozen=True)
class Impact:
    """What is touched. `latest` and `afterwards` are the version that the shape resolves to now and then, "" for none.

    `people` are of the shape's own account; of other accounts there are only numbers. `kept` counts everything that
    refers to it and so keeps it from being deleted.
    """

    running: int
    waiting: int
    drafts: tuple[ShapeVersion, ...]
    people: tuple[Person, ...]
    more_people: int
    others: int
    other_accounts: int
    latest: str
    afterwards: str
    kept: int


def impact_of(verb: Verb, shape: TrainingShape, version: ShapeVersion | None, *, now: datetime) -> Impact:
    """What `verb` touches; without a version the whole shape is deleted. As many queries for much as for little."""
    whole = version is None or verb in OF_THE_SHAPE
    everything = Launch.objects.filter(**({"shape_version__shape": shape} if whole else {"shape_version": version}))
    launches = everything.filter(validations__isnull=True, deleted_at__isnull=True)
    counts = launches.aggregate(
        running=Count("pk", filter=Q(state__in=ACTIVE - WAITING)), waiting=Count("pk", filter=Q(state__in=WAITING))
    )
    recent = launches.filter(created_at__gte=now - RECENT)
    people, more = _people(recent.filter(account=shape.account_id))
    others = recent.exclude(account=shape.account_id).aggregate(
        people=Count("owner", distinct=True), accounts=Count("account", distinct=True)
    )
    latest = latest_of(shape)
    return Impact(
        running=counts["running"],
        waiting=counts["waiting"],
        drafts=_drafts(shape, version),
        people=people,
        more_people=more,
        others=others["people"],
        other_accounts=others["accounts"],
        latest=_id(latest),
        afterwards=_id(_resolved(verb, version, latest)),
        kept=everything.count(),
    )


def _people(recent: QuerySet[Launch]) -> tuple[tuple[Person, ...], int]:
    """The most active people, and how many more there are."""
    rows = recent.values("owner__username").annotate(n=Count("pk")).order_by("-n", "owner__username")[:MOST_NAMES]
    named = tuple(Person(row["owner__username"], row["n"]) for row in rows)
    return named, recent.aggregate(people=Count("owner", distinct=True))["people"] - len(named)


def _drafts(shape: TrainingShape, version: ShapeVersion | None) -> tuple[ShapeVersion, ...]:
    """Versions in work that started as a copy, of the shape or of clones of it in the same account."""
    based = ShapeVersion.objects.filter(state__in=IN_WORK, shape__account=shape.account_id)
    based = based.filter(based_on=version) if version else based.filter(based_on__shape=shape).exclude(shape=shape)
    found = based.select_related("shape__account").defer("snapshot", "launch_fields")
    return tuple(found.order_by("-created_at", "-pk")[:MOST_NAMES])


def _resolved(verb: Verb, version: ShapeVersion | None, latest: ShapeVersion | None) -> ShapeVersion | None:
    if version is None:
        return None
    if verb in OF_THE_SHAPE:
        return version
    if verb is Verb.WITHDRAW and version.is_latest_validated:
        return fallback_of(version)
    return latest


def _id(version: ShapeVersion | None) -> str:
    return version.version_id if version else ""
