"""Groups of like shapes, which the counts beside the filters are made from.

Every function takes the accounts (primary keys) that the reader is a member of.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import Count, Max, Min, OuterRef, Q, QuerySet, Subquery, Sum

from catalog.facets import FacetBucket
from catalog.filters import FACETS, CatalogFilters
from catalog.matching import column_of, matching_text
from catalog.models import BaseModel, FacetCount
from catalog.visibility import listed


def read_groups(member_of: Collection[int], filters: CatalogFilters) -> list[FacetBucket]:
    """Groups of like shapes among those that match the free text: what all counts are made from. One query."""
    return found_groups(member_of, filters) if filters.words else counted_groups(member_of)


def found_groups(member_of: Collection[int], filters: CatalogFilters) -> list[FacetBucket]:
    rows = (
        listed(member_of)
        .filter(matching_text(filters))
        .values_list(*map(column_of, FACETS), "max_context", "gpus", "shape__base_model__runs_here")
        .annotate(shapes=Count("pk"), first=Min("shape__base_model__position"))
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
