"""Reads of the launches app, for the accounts (primary keys) that the reader is a member of.

Nothing here grows with the number of rows beyond the page that it answers.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import BigIntegerField, DateTimeField, F, Q, QuerySet, UUIDField
from django.utils import timezone

from accounts.models import Account
from catalog.labels import duration_label
from catalog.models import ShapeVersion, TrainedModel, TrainingShape
from catalog.sync.wanted import NOT_OFFERED
from catalog.visibility import listed
from connections.providers.checkpoints import CheckpointKind
from connections.providers.spec import TrainerMode
from connections.providers.states import AttemptState
from launches.models import Attempt, Checkpoint, Event, Launch
from lists.in_use import values_in_use
from lists.orders import FEW, PAGE, Order, page_of
from lists.pages import Page
from lists.prepared import Among, Given, Prepared
from wire.errors import NotFound
from wire.names import CHECKPOINT_FORM, MODEL_FORM, is_id, parse_checkpoint_name, parse_model_name

NEWEST_FIRST = Order(("-created_at", "-pk"))
NEWEST_EVENTS = Order(("-sequence",))
TIMELINE = 200
MOST_SHAPES = 200
MOST_VERSIONS = 1_000
MOST_ATTEMPTS = 50
MOST_VANISHED = 5
MOST_LATELY = 500
"""Launches of a person that are looked at for their shapes."""
VANISHED_LATELY = timedelta(days=30)


class ListedLaunch(NamedTuple):
    """What a list shows of a launch: the columns of `LISTED` in turn, and `reference_of` by name, "" for none."""

    pk: int
    uid: uuid.UUID
    job_id: str
    display_name: str
    spec: dict[str, Any]
    state: str
    attempt_count: int
    run_seconds: float
    last_loss: float | None
    last_step: int | None
    created_at: datetime
    deleted_at: datetime | None
    kept_until: datetime | None
    owner: str
    version_id: str
    shape_id: str
    unreachable_since: datetime | None
    refused_since: datetime | None
    reference_of: str

    @property
    def duration(self) -> str:
        """How long it has run, "" while its first attempt does."""
        return duration_label(round(self.run_seconds)) if self.run_seconds else ""


class ListedAttempt(NamedTuple):
    """What a list shows of a launch's newest attempt."""

    launch_id: int
    state: str
    ready: bool
    silent_since: datetime | None
    queue_position: int | None
    version_asked_at: datetime | None


@dataclass(frozen=True)
class LaunchRow:
    """A launch of a list with its newest attempt."""

    launch: ListedLaunch
    attempt: ListedAttempt | None


LIVING = Q(deleted_at__isnull=True)
KEPT = Q(deleted_at__isnull=False, purge_due_at__isnull=False)
"""Deleted, with something left of it."""


def given_file(file: str) -> Q:
    """Of those that were given the file of a dataset, to train on it or to measure. Each of the two has an index."""
    return Q(spec__dataset__file=file) | Q(spec__evaluation__file=file)


def of_versions(**versions: Any) -> Q:
    """Launches, or deployments, of the versions that are so, by the keys of those where they are few: of a key Postgres
    knows how many rows have it, and of a join it can but guess, and goes through all of them for a shape that has none.
    """
    keys = list(ShapeVersion.objects.filter(**versions).values_list("pk", flat=True)[: FEW + 1])
    if len(keys) > FEW:
        return Q(**{f"shape_version__{path}": value for path, value in versions.items()})
    return Q(shape_version__in=keys)


def of_shape(name: str) -> Q:
    """The same by `account/shape`; nothing where there is none of that name."""
    shape = find_shape(name)
    return of_versions(shape=shape) if shape else Q(pk__in=[])


LISTED = (
    *("pk", "uid", "job_id", "display_name", "spec", "state", "attempt_count", "run_seconds", "last_loss", "last_step"),
    *("created_at", "deleted_at", "kept_until", "owner__username", "shape_version__version_id"),
    *("shape_version__shape__shape_id", "connection__unreachable_since", "connection__refused_since", "reference_of"),
)
"""As plain values, and what few launches have by a query of its own: rows as models took longer than their query."""


def listed_launches(member_of: Collection[int], wanted: Q, among: Q = LIVING) -> QuerySet[Launch]:
    """Launches that are wanted, among those that were not deleted or among `KEPT`."""
    return Launch.objects.filter(wanted, among, account__in=list(member_of))


def list_launches(
    member_of: Collection[int], wanted: Q, order: Order, cursor: str = "", *, among: Q = LIVING, size: int = PAGE
) -> Page[LaunchRow]:
    """A page of them in that order. Errors: `NoSuchPage`."""
    found = listed_launches(member_of, wanted, among).values(*LISTED)
    page: Page[dict[str, Any]] = page_of(found, order, cursor, size=size)
    policies = _names(row["reference_of"] for row in page.rows)
    launches = [ListedLaunch(*row.values())._replace(reference_of=policies[row["reference_of"]]) for row in page.rows]
    newest = map(ListedAttempt._make, _NEWEST_ATTEMPTS.rows(launches=[launch.pk for launch in launches]))
    attempts = {attempt.launch_id: attempt for attempt in newest}
    return page.of([LaunchRow(launch, attempts.get(launch.pk)) for launch in launches])


def _newest_attempts() -> QuerySet[Attempt, tuple[Any, ...]]:
    of_these = Among(F("launch_id"), Given("launches", BigIntegerField()))
    newest = Attempt.objects.filter(of_these, number=F("launch__attempt_count"))
    return newest.values_list(*ListedAttempt._fields)


_NEWEST_ATTEMPTS = Prepared(_newest_attempts)


def _names(launches: Iterable[int | None]) -> dict[int | None, str]:
    """What people call them, and "" for None; nothing is asked where they are all None."""
    wanted = {pk for pk in launches if pk is not None}
    found = Launch.objects.filter(pk__in=wanted).only("display_name", "job_id") if wanted else ()
    return {None: "", **{launch.pk: str(launch) for launch in found}}


def launched_shapes(account: Account) -> list[str]:
    """The shapes that the account has launched from, as `find_shape` reads them; of very many, those of the newest."""
    return [f"{account_id}/{shape_id}" for account_id, shape_id in _LAUNCHED_SHAPES.rows(account=account.pk)]


def _launched_shapes() -> QuerySet[TrainingShape, tuple[str, str]]:
    of_account = Given("account", BigIntegerField())
    versions = values_in_use(
        "launches_launch", "shape_version_id", "deleted_at IS NULL", account=of_account, most=MOST_VERSIONS
    )
    found = TrainingShape.objects.filter(pk__in=ShapeVersion.objects.filter(pk__in=versions).values("shape"))
    return found.order_by("shape_id", "pk").values_list("account__account_id", "shape_id")[:MOST_SHAPES]


_LAUNCHED_SHAPES = Prepared(_launched_shapes)


def find_shape(name: str) -> TrainingShape | None:
    """The shape that a URL names as `account/shape`."""
    account_id, _, shape_id = name.partition("/")
    if not (is_id(account_id) and is_id(shape_id)):
        return None
    found = TrainingShape.objects.filter(account__account_id=account_id, shape_id=shape_id)
    return found.select_related("account").first()


def find_launch(member_of: Collection[int], uid: uuid.UUID) -> Launch | None:
    """The launch, deleted ones too, where it belongs to one of the accounts."""
    return _FOUND.first(mine=list(member_of), uid=uid)


def find_measured(member_of: Collection[int], uid: uuid.UUID) -> Launch | None:
    """The same with its plan alone: pages that are open ask for what was measured several times a second."""
    return _MEASURED.first(mine=list(member_of), uid=uid)


def _of_uid() -> QuerySet[Launch]:
    return Launch.objects.filter(
        Among(F("account_id"), Given("mine", BigIntegerField())), uid=Given("uid", UUIDField())
    )


_FOUND = Prepared(
    lambda: _of_uid().select_related("account", "connection", "owner", "shape_version__shape__account", "reference_of")
)
_MEASURED = Prepared(lambda: _of_uid().only("plan"))


def attempts_of(launch: Launch) -> list[Attempt]:
    """The attempts of a launch without their logs, newest first, at most fifty."""
    found = _ATTEMPTS.rows(launch=launch.pk)
    for attempt in found:
        attempt.launch = launch
    return found


_OF_LAUNCH = Given("launch", BigIntegerField())
_ATTEMPTS = Prepared(
    lambda: Attempt.objects.filter(launch_id=_OF_LAUNCH).defer("log_tail").order_by("-number")[:MOST_ATTEMPTS]
)


def log_tail_of(attempt: Attempt) -> str:
    """The end of the attempt's log."""
    return Attempt.objects.values_list("log_tail", flat=True).get(pk=attempt.pk)


def states_of(attempt: Attempt) -> list[tuple[AttemptState, Any, str]]:
    """The states that the attempt was in, each with its time and the label of who brought it there."""
    return [
        (AttemptState(data["state"]), at, who)
        for data, at, who in _STATES.rows(launch=attempt.launch_id, attempt=attempt.number)
        if data.get("state") in AttemptState.__members__
    ]


def _states() -> QuerySet[Event, tuple[Any, datetime, str]]:
    of_attempt = Given("attempt", BigIntegerField())
    found = Event.objects.filter(launch_id=_OF_LAUNCH, attempt_number=of_attempt, kind="state")
    return found.order_by("sequence").values_list("data", "created_at", "actor_label")


_STATES = Prepared(_states)


def deleted_by(launch: Launch) -> str:
    """The label of who deleted the launch."""
    return launch.events.filter(kind="deleted").values_list("actor_label", flat=True).first() or ""


def timeline_of(launch: Launch, cursor: str = "") -> Page[Event]:
    """The launch's events, newest first. Errors: `NoSuchPage`."""
    return page_of(launch.events.all(), NEWEST_EVENTS, cursor, size=TIMELINE)


def example_version(account: Account) -> ShapeVersion | None:
    """What examples for the account train: a shape of its own where it has one, with the fewest GPUs, LoRA first.

    Of several the first in the catalog.
    """
    trains = listed([account.pk]).exclude(trainer_mode=TrainerMode.FORWARD_ONLY).filter(deprecated_at=None)
    order = ("gpus", "trainer_mode", "shape__base_model__position", "shape__position", "pk")
    rows = trains.select_related("shape__account", "shape__base_model__account").order_by(*order)
    return rows.filter(shape__account=account).first() or rows.first()


def vanished_shapes(owner_pk: int, accounts: Collection[int]) -> list[ShapeVersion]:
    """Shapes that the person launched from lately and that no connection has offered any more, for 30 days at most.

    As the versions that say so, the latest first, with shape and successor.
    """
    since = timezone.now() - VANISHED_LATELY
    if not _ANY_GONE.rows(since=since):  # as a rule, and the rest takes longer to plan than a page of launches
        return []
    # A bounded number, newest first: asked whether there is any, Postgres may join all that the person ever launched.
    lately = Launch.objects.filter(owner=owner_pk, account__in=accounts, deleted_at__isnull=True)
    launched = lately.order_by("-created_at", "-id").values("shape_version__shape")[:MOST_LATELY]
    rows = _gone(since).filter(shape__in=launched).select_related("shape__account", "successor__account")
    return list(rows.order_by("-deprecated_at")[:MOST_VANISHED])


def _gone(since: datetime | Given) -> QuerySet[ShapeVersion]:
    """What is the latest of its shape and is not offered since then, or later, any more."""
    return ShapeVersion.objects.filter(
        is_latest_validated=True, deprecated_at__gte=since, deprecation_message__startswith=NOT_OFFERED
    )


_ANY_GONE = Prepared(lambda: _gone(Given("since", DateTimeField())).values_list("pk")[:1])


def find_weights(name: str, kind: str | None) -> Checkpoint | TrainedModel:
    """What has that resource name, whoever may have it: for commands. `kind` tells two checkpoints of one name apart.

    Errors: `NotFound`.
    """
    if model := parse_model_name(name):
        rows = TrainedModel.objects.select_related("account")
        made = rows.filter(account__account_id=model[0], model_id=model[1]).first()
        if made is None:
            raise NotFound(f"There is no {name} that people made.")
        return made
    parsed = parse_checkpoint_name(name)
    if parsed is None:
        raise NotFound(f"{name[:300]!r} is no name to download or push; use {CHECKPOINT_FORM} or {MODEL_FORM}.")
    account, job, checkpoint = parsed
    saved = Checkpoint.objects.select_related("launch__account", "launch__connection").filter(
        launch__account__account_id=account, launch__job_id=job, name=checkpoint
    )
    found = [row for row in saved if kind in (None, row.kind)]
    if not found:
        raise NotFound(f"There is no {name}.")
    if len(found) > 1:
        raise NotFound(f"There are two of the name {name}; say which, by --kind {' or '.join(CheckpointKind)}.")
    return found[0]
