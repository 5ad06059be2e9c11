"""Reads of the catalog. Every function takes the accounts (primary keys) that the reader is a member of."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import (
    BigIntegerField,
    Case,
    Count,
    Exists,
    F,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    TextField,
    Value,
)
from django.db.models.lookups import In

from catalog.enums import ShapeKind
from catalog.facets import FacetBucket
from catalog.fields.snapshots import Snapshot
from catalog.filters import FACETS, CatalogFilters, Facet
from catalog.models import ACCELERATOR, BaseModel, CatalogChange, FacetCount, ShapeVersion, TrainingShape
from catalog.states import VersionState
from lists.filters import SortColumn
from lists.orders import Order, behind, page_of
from lists.pages import Page
from lists.prepared import Among, Given, Prepared
from wire.names import DEPLOYMENT_SHAPES, is_id, is_version_id, parse_model_name, parse_version_name

PAGE = 100
"""A page ends with the base model that holds its hundredth shape; a flat page has just this many."""
SPARE = 20
"""Shapes that are read beyond it, for as a rule the model ends among them and another one begins."""

_MODEL = "shape__base_model"
_COLUMNS = {
    "shape_pk": F("shape_id"),
    "account": F("shape__account__account_id"),
    "identifier": F("shape__shape_id"),
    "label": F("shape__display_name"),
    "id_source": F("shape__id_source"),
    "model_account": F(f"{_MODEL}__account__account_id"),
    "model": F(f"{_MODEL}__model_id"),
    "model_pk": F(f"{_MODEL}_id"),
    "model_position": F(f"{_MODEL}__position"),
    "title": F(f"{_MODEL}__title"),
    "family": F(f"{_MODEL}__family"),
    "section": F(f"{_MODEL}__section"),
    "architecture": F(f"{_MODEL}__architecture"),
    "here": F(f"{_MODEL}__runs_here"),
}
_PLAIN = ("trainer_mode", "max_context", "gpus", "accelerator_type", "deprecated_at", "snapshot")
BY_MODEL = Order((f"{_MODEL}__position", f"{_MODEL}_id"))
SORTS = (
    SortColumn("name", "Name", Order(("shape__shape_id", "shape_id"))),
    SortColumn("context", "Context", Order(("max_context", "shape_id")), down_first=True),
    SortColumn("gpus", "GPUs", Order(("gpus", "shape_id"))),
)
"""Of the flat list; else it is by family."""
ORDERS = {column.word: column.order for column in SORTS}
NEWEST_FIRST = Order(("-created_at", "-pk"))

Row = dict[str, Any]
NO_FILTERS = CatalogFilters()


def may_see(member_of: Collection[int] | Given) -> Q:
    """Versions that the reader may see: those of their accounts, and what is public and validated."""
    if isinstance(member_of, Given):
        mine = Q(Among(F("shape__account"), member_of))
    else:
        mine = Q(shape__account__in=list(member_of))
    return Q(is_public=True, state=VersionState.VALIDATED) | mine


def listed(member_of: Collection[int], *kinds: ShapeKind) -> QuerySet[ShapeVersion]:
    """What the catalog lists: of every shape the latest validated version, where the reader may see it.

    Of training shapes unless told otherwise.
    """
    found = ShapeVersion.objects.filter(may_see(member_of), is_latest_validated=True)
    return found.filter(of_kind(*kinds or (ShapeKind.TRAINING,)))


def of_kind(*kinds: ShapeKind) -> Q:
    """Versions of shapes of these kinds: those of deployment shapes have no trainer mode."""
    if len(set(kinds)) > 1:
        return Q()
    return Q(trainer_mode__isnull=ShapeKind.DEPLOYMENT in kinds)


def matching_text(filters: CatalogFilters) -> Q:
    """All of the free text, anywhere in the names of the shape and of its model; served by the trigram index."""
    return _containing("shape__search_text", filters)


def named(filters: CatalogFilters) -> Q:
    """Base models in whose names all of the free text occurs."""
    return _containing("search_text", filters)


def _containing(column: str, filters: CatalogFilters) -> Q:
    return functools.reduce(operator.and_, (Q(**{f"{column}__contains": word}) for word in filters.words), Q())


def matching(filters: CatalogFilters) -> Q:
    """All filters; agrees with `facets.passes`."""
    wanted = matching_text(filters)
    for facet in FACETS:
        if values := filters.values(facet.name):
            wanted &= Q(In(_column(facet), [facet.stored.get(value, value) for value in values]))
    if filters.least_tokens:
        wanted &= Q(max_context__gte=filters.least_tokens)
    return wanted if filters.gpus is None else wanted & Q(gpus__lte=filters.gpus)


def _column(facet: Facet) -> Case | F:
    return ACCELERATOR if facet.name == "accelerator" else F(facet.column)


def revision() -> str:
    """Which catalog this is: another text after each write of its shapes and base models, and none comes twice.

    "" where nothing says it. What is made of the catalog after it was asked for may be newer than it, never older.
    """
    return str(_REVISION.first() or "")


def sum_of_changes() -> Subquery:
    """That as a number within another query, NULL where nothing says it."""
    return Subquery(_sum_of_changes())


def _sum_of_changes() -> QuerySet[CatalogChange, Any]:
    of_all = CatalogChange.objects.order_by().values(all=Value(1)).annotate(sum=Sum("number"))
    return of_all.values_list("sum", flat=True)


_REVISION = Prepared(_sum_of_changes)


def read_groups(member_of: Collection[int], filters: CatalogFilters) -> list[FacetBucket]:
    """Groups of like shapes among those that match the free text: what all counts are made from. One query."""
    return found_groups(member_of, filters) if filters.words else counted_groups(member_of)


def found_groups(member_of: Collection[int], filters: CatalogFilters) -> list[FacetBucket]:
    rows = (
        listed(member_of)
        .filter(matching_text(filters))
        .values_list(*map(_column, FACETS), "max_context", "gpus", f"{_MODEL}__runs_here")
        .annotate(shapes=Count("pk"), first=Min(f"{_MODEL}__position"))
        .order_by("first")
    )
    return [FacetBucket(_values(row), *row[len(FACETS) :]) for row in rows]


def counted_groups(member_of: Collection[int]) -> list[FacetBucket]:
    """Of all that the reader may see, as counted when it was written; families in the order of their models."""
    counted = FacetCount.objects.filter(_counted(member_of))
    rows = (
        counted.values_list(*(facet.counted for facet in FACETS), "max_context", "gpus", "runs_here", "family")
        .annotate(number=Sum("shapes"))
        .filter(number__gt=0)
    )
    first = _first_positions(counted)  # by a query of its own: of a family that has come since it knows nothing
    groups = [
        FacetBucket(_values(row), tokens, gpus, here, shapes, first.get(family, 0))
        for row in rows
        for tokens, gpus, here, family, shapes in [row[len(FACETS) :]]
    ]
    return sorted(groups, key=lambda group: group.first)


def _first_positions(counted: QuerySet[FacetCount]) -> dict[str, int]:
    """Of each family the smallest position of its models, looked up once: among many models that takes its time."""
    in_family = BaseModel.objects.filter(family=OuterRef("family")).order_by("position")
    one_each = counted.order_by().values("family").annotate(one=Max("pk")).values("one")
    found = FacetCount.objects.filter(pk__in=one_each).values_list("family", Subquery(in_family.values("position")[:1]))
    return {family: position or 0 for family, position in found}


def _counted(member_of: Collection[int]) -> Q:
    """As `may_see` has it of listed versions, of which all are validated."""
    return Q(is_public=True) | Q(account__in=list(member_of))


def read_values(member_of: Collection[int]) -> list[FacetBucket]:
    """What can be chosen among all that the reader may see, as groups that count nothing. One query."""
    return [group._replace(tokens=0, gpus=0, shapes=0) for group in counted_groups(member_of)]


def _values(row: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(facet.read(stored) for facet, stored in zip(FACETS, row, strict=False))


def read_page(member_of: Collection[int], filters: CatalogFilters, cursor: str = "") -> Page[Row]:
    """One page of matching shapes, grouped by base model unless another order is asked for. Errors: `NoSuchPage`."""
    matched = listed(member_of).filter(matching(filters))
    if not filters.sort:
        return _grouped_page(matched.values(*_PLAIN, *BY_MODEL.paths, **_COLUMNS), cursor)
    order = ORDERS[filters.sort.removeprefix("-")]
    rows = matched.values(*dict.fromkeys((*_PLAIN, *order.paths)), **_COLUMNS)
    return page_of(rows, order.turned if filters.sort.startswith("-") else order, cursor, size=PAGE)


def _grouped_page(rows: QuerySet[ShapeVersion, Row], cursor: str) -> Page[Row]:
    """Whole base models until there are PAGE shapes. One query, or three where a model has more than SPARE of them."""
    rows = rows.order_by(*BY_MODEL.columns, "shape__position", "shape_id")
    if cursor:
        rows = rows.filter(BY_MODEL.beyond(BY_MODEL.place(cursor)))
    found = list(rows[: PAGE + SPARE])
    if len(found) < PAGE:
        return Page(found, "")
    last = found[PAGE - 1]
    end = BY_MODEL.place_of(last)
    page = [row for number, row in enumerate(found) if number < PAGE or row["model_pk"] == last["model_pk"]]
    more = len(page) < len(found)
    if len(page) == PAGE + SPARE:
        page = [row for row in page if row["model_pk"] != last["model_pk"]]
        page += rows.filter(**{_MODEL: last["model_pk"]})
        more = rows.filter(BY_MODEL.beyond(end)).exists()
    return Page(page, BY_MODEL.cursor(end) if more else "")


def find_version(member_of: Collection[int], account: str, shape: str, version: str = "") -> ShapeVersion | None:
    """One version (the latest validated one where none is named) with all that its page shows, if it may be seen."""
    return _find(_FOR_ITS_PAGE, member_of, account, shape, version)


def find_launched(member_of: Collection[int], account: str, shape: str, version: str = "") -> ShapeVersion | None:
    """The same, where trainers run from it: no deployment shape's. With its base model, without what its page adds."""
    found = _find(_TO_LAUNCH, member_of, account, shape, version)
    return found if found and found.trainer_mode else None


@dataclass(frozen=True)
class _Finding:
    """A version of a shape by its id, and the latest validated one."""

    pinned: Prepared[ShapeVersion]
    latest: Prepared[ShapeVersion]

    @classmethod
    def among(cls, seen: Callable[[Any, Any, Any], QuerySet[ShapeVersion]]) -> _Finding:
        """Among what `seen` says of the accounts, and of account and id of a shape. There is one at most."""
        account, shape = Given("account", TextField()), Given("shape", TextField())
        mine, version = Given("mine", BigIntegerField()), Given("version", TextField())
        return cls(
            Prepared(lambda: seen(mine, account, shape).filter(version_id=version)),
            Prepared(lambda: seen(mine, account, shape).filter(is_latest_validated=True)),
        )


def _find(finding: _Finding, member_of: Collection[int], account: str, shape: str, version: str) -> ShapeVersion | None:
    if not (is_id(account) and is_id(shape) and (version == "" or is_version_id(version))):
        return None
    mine = list(member_of)
    if version:
        return finding.pinned.first(mine=mine, account=account, shape=shape, version=version)
    return finding.latest.first(mine=mine, account=account, shape=shape)


def find_linked(member_of: Collection[int], snapshot: Snapshot) -> ShapeVersion | None:
    """The deployment shape's version that a training shape links, where it is here, may be seen and is offered."""
    parsed = parse_version_name(snapshot.deployment_shape_version or "", DEPLOYMENT_SHAPES)
    found = find_version(member_of, *parsed) if parsed and parsed[2] else None
    return found if found and found.is_offered and found.trainer_mode is None else None


def find_newest(member_of: Collection[int], account: str, shape: str) -> ShapeVersion | None:
    """The latest validated version, else the newest one that may be seen, such as the draft of a new shape.

    With all that its page shows.
    """
    if not (is_id(account) and is_id(shape)):
        return None
    mine = _with_its_page(member_of, account, shape)
    return mine.order_by("-is_latest_validated", "-created_at", "-pk").first()


def _with_its_page(member_of: Collection[int] | Given, account: Any, shape: Any) -> QuerySet[ShapeVersion]:
    return _seen_with_model(member_of, account, shape).select_related("successor__account", "created_by")


def _seen_with_model(member_of: Collection[int] | Given, account: Any, shape: Any) -> QuerySet[ShapeVersion]:
    seen = ShapeVersion.objects.filter(may_see(member_of), _of_shape(account, shape))
    return seen.select_related("shape__account", "shape__base_model__account")


_FOR_ITS_PAGE, _TO_LAUNCH = _Finding.among(_with_its_page), _Finding.among(_seen_with_model)


def latest_versions(
    member_of: Collection[int], shapes: Collection[tuple[str, str]]
) -> dict[tuple[str, str], ShapeVersion]:
    """Of the shapes, named by account and id, the latest validated versions that the reader may see. One query."""
    named = (_of_shape(account, shape) for account, shape in shapes)
    wanted = functools.reduce(operator.or_, named, Q(pk__in=[]))
    found = listed(member_of).filter(wanted).select_related("shape__account", "shape__base_model__account")
    return {(version.shape.account.account_id, version.shape.shape_id): version for version in found}


def named_versions(
    member_of: Collection[int], names: Collection[tuple[str, str, str]]
) -> dict[tuple[str, str, str], ShapeVersion]:
    """Of the versions, named by account, shape and version id, those that the reader may see. One query.

    Without a version id it is the shape's latest validated one, else its newest, such as the draft of a new shape.
    """
    seen = ShapeVersion.objects.filter(may_see(member_of))
    shapes = [_of_shape(account, shape) for account, shape, version in names if not version]
    newest = seen.filter(functools.reduce(operator.or_, shapes, Q(pk__in=[])))
    newest = newest.order_by("shape_id", "-is_latest_validated", "-created_at", "-pk").distinct("shape_id")
    pinned = [_of_shape(account, shape) & Q(version_id=version) for account, shape, version in names if version]
    wanted = functools.reduce(operator.or_, pinned, Q(pk__in=newest.values("pk")))
    rows = seen.filter(wanted).select_related("shape__account", "shape__base_model__account")
    found = {}
    for row in rows.order_by("is_latest_validated", "created_at", "pk"):  # of each shape what a bare name means is last
        account, shape = row.shape.account.account_id, row.shape.shape_id
        found[account, shape, ""] = found[account, shape, row.version_id] = row
    return {name: found[name] for name in names if name in found}


def _of_shape(account: Any, shape: Any) -> Q:
    return Q(shape__account__account_id=account, shape__shape_id=shape)


@dataclass(frozen=True)
class Successor:
    """What to use instead of a deprecated version: what a shape resolves to, or one version where it is `pinned`."""

    version: ShapeVersion
    pinned: bool

    @property
    def shape(self) -> TrainingShape:
        """The shape, with its account."""
        return self.version.shape

    @property
    def name(self) -> str:
        """The resource name of the one that is meant."""
        return self.version.name if self.pinned else self.shape.name

    @property
    def query(self) -> str:
        """What its addresses end with."""
        return f"?version={self.version.version_id}" if self.pinned else ""

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.shape.shape_id} {self.version.version_id}" if self.pinned else self.shape.shape_id


def successor_of(member_of: Collection[int], version: ShapeVersion) -> Successor | None:
    """What to use instead of a deprecated version, as far as the reader may see it and it can be launched.

    Where the version that was named can no longer be launched, it is what its shape resolves to.
    """
    shape = version.successor
    if shape is None:
        return None
    account, identifier = shape.account.account_id, shape.shape_id
    if version.successor_version_id is not None:
        seen = _with_its_page(member_of, account, identifier).filter(pk=version.successor_version_id).first()
        if seen and seen.is_launchable:
            return Successor(seen, pinned=True)
    latest = latest_versions(member_of, [(account, identifier)]).get((account, identifier))
    return Successor(latest, pinned=False) if latest and latest.pk != version.pk else None


def visible_models(member_of: Collection[int], filters: CatalogFilters = NO_FILTERS) -> QuerySet[BaseModel]:
    """Base models of the reader's accounts, and those that a shape which they may see is made for, in order.

    Of these, those that the free text names and that, where there are other filters, have a listed shape passing them.
    """
    seen = ShapeVersion.objects.filter(may_see(member_of), shape__base_model=OuterRef("pk"))
    found = BaseModel.objects.filter(Q(account__in=list(member_of)) | Exists(seen))
    return found.filter(models_matching(member_of, filters)).select_related("account").order_by("position", "pk")


def models_matching(member_of: Collection[int], filters: CatalogFilters) -> Q:
    """Base models that the free text names, with a listed shape that passes the other filters where there are any."""
    others = filters.without("q")
    if not others.active:
        return named(filters)
    passing = listed(member_of).filter(matching(others), shape__base_model=OuterRef("pk"))
    return named(filters) & Q(Exists(passing))


def find_model(member_of: Collection[int], name: str) -> BaseModel | None:
    """The base model that has that resource name, or else had it before, if it may be seen."""
    parsed = parse_model_name(name)
    if parsed is None:
        return None
    seen = visible_models(member_of).filter(account__account_id=parsed[0])
    return seen.filter(model_id=parsed[1]).first() or seen.filter(former_ids__contains=[parsed[1]]).first()


def versions_of(
    member_of: Collection[int], shape: TrainingShape, *, older_than: ShapeVersion | None = None
) -> QuerySet[ShapeVersion]:
    """The shape's versions that the reader may see, newest first."""
    versions = ShapeVersion.objects.filter(may_see(member_of), shape=shape)
    if older_than is None:
        return versions.order_by(*NEWEST_FIRST.columns)
    return behind(versions, NEWEST_FIRST, older_than)


def page_of_versions(member_of: Collection[int], shape: TrainingShape, cursor: str, *, size: int) -> Page[ShapeVersion]:
    """A page of them, without what they own. Errors: `NoSuchPage`."""
    versions = versions_of(member_of, shape).defer("snapshot", "launch_fields")
    return page_of(versions, NEWEST_FIRST, cursor, size=size)


def other_versions(member_of: Collection[int], version: ShapeVersion) -> Sequence[ShapeVersion]:
    """Up to 20 other versions of the same shape that the reader may see, newest first."""
    versions = versions_of(member_of, version.shape).exclude(pk=version.pk)
    return list(versions.defer("snapshot", "launch_fields")[:20])


def siblings(member_of: Collection[int], shape: TrainingShape) -> list[Row]:
    """Up to 50 other shapes of the same base model, in the catalog's order."""
    rows = listed(member_of).filter(shape__base_model=shape.base_model_id).exclude(shape=shape.pk)
    return _first_rows(rows)


def linking(member_of: Collection[int], version: ShapeVersion) -> list[Row]:
    """Up to 50 shapes whose latest version links that of a deployment shape, in the catalog's order."""
    return _first_rows(listed(member_of).filter(snapshot__deploymentShapeVersion=version.name))


def _first_rows(rows: QuerySet[ShapeVersion]) -> list[Row]:
    return list(rows.values(*_PLAIN, **_COLUMNS).order_by("shape__position", "shape_id")[:50])
