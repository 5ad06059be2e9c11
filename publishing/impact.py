"""What an action on a version or a shape touches, told before anybody confirms it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet

from accounts.models import Account
from catalog.domain.shape_lock import latest_of
from catalog.domain.withdraw_version import fallback_of
from catalog.models import ShapeVersion, TrainingShape
from connections.providers.states import AttemptState
from launches.models import Launch
from launches.states import ACTIVE
from publishing.pages.actions import Verb
from publishing.queries import IN_WORK
from wire.counts import quantity

RECENT = timedelta(days=30)
MOST_NAMES = 20
_WAITING = frozenset({AttemptState.QUEUED, AttemptState.PENDING})
RUNNING = Q(state__in=ACTIVE - _WAITING, deleted_at__isnull=True)
QUEUED = Q(state__in=_WAITING, deleted_at__isnull=True)
OF_THE_SHAPE = frozenset({Verb.PUBLISH, Verb.MAKE_PUBLIC, Verb.ROLL_BACK})
"""Verbs that change what the shape's name stands for, so that launches of all of its versions are of interest."""


@dataclass(frozen=True)
class LaunchingMember:
    """A member of the shape's account, and how many launches they made lately."""

    username: str
    launches: int


@dataclass(frozen=True)
class Impact:
    """What is touched. `latest` and `afterwards` are the version that the shape resolves to now and then, "" for none.

    `drafts` and `people` are of the shape's own account; `more_drafts` and `more_people` count those without a name;
    of other accounts there are only numbers. Launches that were deleted since still count for their owners. `kept`
    counts every launch that refers to it and so keeps it from being deleted, `validation_runs` those of validations
    among them, and `successor_of` the deprecated versions of other shapes that do so.
    """

    running: int
    waiting: int
    drafts: tuple[ShapeVersion, ...]
    more_drafts: int
    other_drafts: int
    people: tuple[LaunchingMember, ...]
    more_people: int
    others: int
    other_accounts: int
    latest: str
    afterwards: str
    kept: int
    validation_runs: int
    successor_of: int

    @property
    def keeps(self) -> bool:
        """Whether something refers to it, so that it is not deleted."""
        return bool(self.kept or self.successor_of)


@dataclass(frozen=True)
class TouchedShape:
    """What a new head of a shape, or a warning from it, touches, in numbers.

    `people` launched it lately in the shape's own account, `others` in other accounts.
    """

    running: int = 0
    waiting: int = 0
    people: int = 0
    others: int = 0
    drafts: int = 0

    @property
    def words(self) -> str:
        """A sentence."""
        return (
            f"{quantity(self.running, 'launch runs', 'launches run')}, {self.waiting} in the queue; launched in 30 "
            f"days by {quantity(self.people, 'member')} and {self.others} of other accounts; "
            f"{quantity(self.drafts, 'draft is', 'drafts are')} based on its versions."
        )


def touched_shapes(account: Account, shape_ids: Collection[str], *, now: datetime) -> dict[str, TouchedShape]:
    """What changes of these shapes of the account touch, by shape id. Two queries."""
    recent = Q(created_at__gte=now - RECENT)
    of_shape = "shape_version__shape"
    launches = Launch.objects.filter(
        **{f"{of_shape}__account": account, f"{of_shape}__shape_id__in": shape_ids}, validations__isnull=True
    )
    counts = launches.values(f"{of_shape}__shape_id").annotate(
        running=Count("pk", filter=RUNNING),
        waiting=Count("pk", filter=QUEUED),
        people=Count("owner", filter=recent & Q(account=account), distinct=True),
        others=Count("owner", filter=recent & ~Q(account=account), distinct=True),
    )
    drafts = ShapeVersion.objects.filter(
        state__in=IN_WORK, based_on__shape__account=account, based_on__shape__shape_id__in=shape_ids
    )
    counted = drafts.values_list("based_on__shape__shape_id").annotate(number=Count("pk"))
    rows = counts.values_list(f"{of_shape}__shape_id", "running", "waiting", "people", "others")
    touched = {shape_id: TouchedShape(*numbers) for shape_id, *numbers in rows}
    for shape_id, number in counted:
        touched[shape_id] = replace(touched.get(shape_id, TouchedShape()), drafts=number)
    return {shape_id: touched.get(shape_id, TouchedShape()) for shape_id in shape_ids}


def impact_of(verb: Verb, shape: TrainingShape, version: ShapeVersion | None, *, now: datetime) -> Impact:
    """What `verb` touches; without a version the whole shape is deleted. As many queries for much as for little."""
    one = None if verb in OF_THE_SHAPE else version
    everything = Launch.objects.filter(**({"shape_version": one} if one else {"shape_version__shape": shape}))
    launches = everything.filter(validations__isnull=True)
    counts = launches.aggregate(running=Count("pk", filter=RUNNING), waiting=Count("pk", filter=QUEUED))
    recent = launches.filter(created_at__gte=now - RECENT)
    people, more = _people(recent.filter(account=shape.account_id))
    others = recent.exclude(account=shape.account_id).aggregate(
        people=Count("owner", distinct=True), accounts=Count("account", distinct=True)
    )
    based = _based_on(shape, one)
    if version is None:
        based = based.exclude(shape=shape)  # those are deleted with it
    drafts, more_drafts = _drafts(based.filter(shape__account=shape.account_id))
    latest = latest_of(shape)
    return Impact(
        running=counts["running"],
        waiting=counts["waiting"],
        drafts=drafts,
        more_drafts=more_drafts,
        other_drafts=based.exclude(shape__account=shape.account_id).count(),
        people=people,
        more_people=more,
        others=others["people"],
        other_accounts=others["accounts"],
        latest=_id(latest),
        afterwards=_id(_resolved(verb, version, latest)),
        kept=everything.count(),
        validation_runs=everything.filter(validations__isnull=False).count(),
        successor_of=ShapeVersion.objects.filter(successor=shape).exclude(shape=shape).count()
        if version is None
        else 0,
    )


def _people(recent: QuerySet[Launch]) -> tuple[tuple[LaunchingMember, ...], int]:
    """The most active people, and how many more there are."""
    rows = recent.values("owner__username").annotate(n=Count("pk")).order_by("-n", "owner__username")[:MOST_NAMES]
    named = tuple(LaunchingMember(row["owner__username"], row["n"]) for row in rows)
    return named, recent.aggregate(people=Count("owner", distinct=True))["people"] - len(named)


def _based_on(shape: TrainingShape, version: ShapeVersion | None) -> QuerySet[ShapeVersion]:
    """Versions in work that started as a copy of the version, or of any one of the shape; clones are among them."""
    of = {"based_on": version} if version else {"based_on__shape": shape}
    return ShapeVersion.objects.filter(state__in=IN_WORK, **of)


def _drafts(based: QuerySet[ShapeVersion]) -> tuple[tuple[ShapeVersion, ...], int]:
    """The newest of these, and how many more there are."""
    found = based.select_related("shape__account").defer("snapshot", "launch_fields")
    named = tuple(found.order_by("-created_at", "-pk")[:MOST_NAMES])
    return named, based.count() - len(named)


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
