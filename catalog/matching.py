"""What the filters of the catalog say, as conditions for the database."""

from __future__ import annotations

import functools
import operator

from django.db.models import Case, F, Q
from django.db.models.lookups import In

from catalog.filters import FACETS, CatalogFilters, Facet
from catalog.models import ACCELERATOR


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
            wanted &= Q(In(column_of(facet), [facet.stored.get(value, value) for value in values]))
    if filters.least_tokens:
        wanted &= Q(max_context__gte=filters.least_tokens)
    return wanted if filters.gpus is None else wanted & Q(gpus__lte=filters.gpus)


def column_of(facet: Facet) -> Case | F:
    """What it says of a version."""
    return ACCELERATOR if facet.name == "accelerator" else F(facet.column)
