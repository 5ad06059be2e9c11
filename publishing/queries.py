"""Reads of the publishing pages: what an account has in work, and how its shapes fare.

Nothing here grows with the number of rows beyond the page that it answers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery

from accounts.models import Account, User
from catalog.fields.launch_fields import newest_edition
from catalog.models import ShapeVersion, TrainingShape
from catalog.states import VersionState
from connections.providers.states import FINAL
from launches.models import Launch
from launches.states import FAILURES
from lists.orders import PAGE, Order, count_up_to, page_of
from lists.pages import Page
from publishing.models import CatalogImport, Validation
from publishing.states import ValidationState
from wire.names import is_id, is_version_id
from wire.numbers import read_whole

NEWEST_FIRST = Order(("-created_at", "-pk"))
BY_ID = Order(("shape_id",))
VERSIONS_PAGE = 20
COUNTED = 99
"""Lists are counted up to one more than this."""
IN_WORK = (VersionState.DRAFT, VersionState.VALIDATING, VersionState.REJECTED)
KEPT_FOR = timedelta(days=1)
"""How long an uploaded catalog file may be reviewed and applied."""


@dataclass(frozen=True)
class ShapeRow:
    """A shape of a list: its latest validated version, where it has one, and how many versions there are."""

    shape: TrainingShape
    latest: ShapeVersion | None
    versions: int


@dataclass(frozen=True)
class LaunchHistory:
    """How the launches of a version went; `validation_runs`, those of its validations, are counted apart."""

    launches: int = 0
    finished: int = 0
    failed: int = 0
    validation_runs: int = 0

    @property
    def failure_rate(self) -> str:
        """Of those that are over, in percent; "" where none is."""
        return f"{self.failed / self.finished:.0%}" if self.finished else ""


def in_work(account: Account) -> QuerySet[ShapeVersion]:
    """Drafts, and what is being validated or was rejected."""
    return ShapeVersion.objects.filter(shape__account=account, state__in=IN_WORK)


def awaiting(account: Account) -> QuerySet[ShapeVersion]:
    """Validated and never published."""
    return ShapeVersion.objects.filter(
        shape__account=account, state=VersionState.VALIDATED, published_at__isnull=True, withdrawn_at__isnull=True
    )


def expired(account: Account, now: datetime) -> QuerySet[ShapeVersion]:
    """Latest, or waiting to be it, on evidence that is too old to count; each carries `evidence_until`.

    The evidence is the newest validation that passed. What was superseded is left out: nobody need measure it again.
    """
    passed = Validation.objects.filter(state=ValidationState.PASSED)
    newer = passed.filter(version=OuterRef("version"), number__gt=OuterRef("number"))
    old = passed.filter(~Exists(newer), version__shape__account=account, expires_at__lt=now)
    current = Q(is_latest_validated=True) | Q(published_at__isnull=True)
    newest = passed.filter(version=OuterRef("pk")).order_by("-number").values("expires_at")[:1]
    return ShapeVersion.objects.filter(
        current, shape__account=account, withdrawn_at__isnull=True, pk__in=old.values("version")
    ).annotate(evidence_until=Subquery(newest))


LARGE = ("snapshot", "launch_fields")
"""Columns that lists leave out."""


def count_in_words(found: QuerySet[ShapeVersion] | QuerySet[TrainingShape]) -> str:
    """How many there are, in words that stay true for many."""
    number = count_up_to(found, COUNTED)
    return f"{COUNTED}+" if number > COUNTED else str(number)


def list_versions(found: QuerySet[ShapeVersion], cursor: str = "", *, size: int = PAGE) -> Page[ShapeVersion]:
    """Of these versions one page, newest first. Errors: `NoSuchPage`."""
    rows = found.select_related(
        "shape__account", "shape__base_model", "created_by", "based_on", "successor__account", "successor_version"
    ).defer("launch_fields", *(f"{other}__{large}" for other in ("based_on", "successor_version") for large in LARGE))
    return page_of(rows, NEWEST_FIRST, cursor, size=size)


def list_shapes(account: Account, cursor: str = "") -> Page[ShapeRow]:
    """The account's shapes by id. Errors: `NoSuchPage`."""
    found = TrainingShape.objects.filter(account=account).select_related("account", "base_model")
    page: Page[Any] = page_of(found.annotate(number=Count("versions")), BY_ID, cursor)
    latest = {
        version.shape_id: version
        for version in ShapeVersion.objects.filter(shape__in=page.rows, is_latest_validated=True).defer("launch_fields")
    }
    return page.of([ShapeRow(shape, latest.get(shape.pk), shape.number) for shape in page.rows])


def find_shape(member_of: Collection[int], account: str, shape: str) -> TrainingShape | None:
    """The shape, published or not, where it belongs to one of the accounts."""
    if not (is_id(account) and is_id(shape)):
        return None
    found = TrainingShape.objects.filter(account__in=list(member_of), account__account_id=account, shape_id=shape)
    return found.select_related("account", "base_model__account").first()


def own_version(shape: TrainingShape, version_id: str) -> ShapeVersion | None:
    """A version of the shape, in whatever state."""
    if not is_version_id(version_id):
        return None
    found = shape.versions.filter(version_id=version_id).select_related(
        "based_on__shape__account", "created_by", "successor__account", "successor_version"
    )
    version = found.first()
    if version:
        version.shape = shape
    return version


def newest_version(shape: TrainingShape) -> ShapeVersion | None:
    """What a new version starts from where nobody says: the latest validated one, else the newest."""
    version = shape.versions.order_by("-is_latest_validated", "-created_at", "-pk").first()
    if version:
        version.shape = shape
    return version


def records_of(versions: Sequence[ShapeVersion]) -> Mapping[int, LaunchHistory]:
    """How the launches of these versions went, by the version's primary key. One query."""
    own = Q(validations__isnull=True)
    rows = (
        Launch.objects.filter(shape_version__in=versions)
        .values("shape_version_id")
        .annotate(
            own=Count("pk", filter=own),
            over=Count("pk", filter=own & Q(state__in=FINAL)),
            failed=Count("pk", filter=own & Q(state__in=FAILURES)),
            validation_runs=Count("pk", filter=~own),
        )
    )
    return {
        row["shape_version_id"]: LaunchHistory(row["own"], row["over"], row["failed"], row["validation_runs"])
        for row in rows
    }


def has_older_fields(account: Account) -> bool:
    """Whether a shape of the account offers launch fields of an edition that is not the newest one."""
    latest = ShapeVersion.objects.filter(shape__account=account, is_latest_validated=True)
    return latest.filter(fields_edition__lt=newest_edition()).exists()


def find_import(account: Account, user: User, number: str, *, now: datetime) -> CatalogImport | None:
    """The catalog file of that primary key, if the user uploaded it for the account within the last day."""
    kept = CatalogImport.objects.filter(account=account, user=user, created_at__gte=now - KEPT_FOR)
    key = read_whole(number)
    return kept.filter(pk=key).first() if key is not None else None
