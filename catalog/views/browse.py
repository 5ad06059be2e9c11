"""The catalog page: filters, counts and one page of shapes, whole or as the fragment that HTMX swaps."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe
from django_htmx.http import push_url

from accounts.requests import SlipwayRequest
from catalog import facets, queries
from catalog.facets import FacetBucket, Loosening
from catalog.filters import BOUNDS, IN_ORDER, TITLES, CatalogFilters
from catalog.forms import read_filters
from catalog.queries import Row
from catalog.rows import rows_for_template, with_html
from catalog.views.access import catalog_reader, member_of
from connections.queries import usable_connections
from lists.filters import SortLink
from lists.pages import show

HERE = "Runs on this machine"
SIDE = [name for name in IN_ORDER if name != "q"]
BOUND_HINTS = {"context": "Any, or such as 200k", "gpus": "Any number"}


@dataclass(frozen=True)
class Family:
    """One heading of the grouped page; `here` for what runs on this machine."""

    title: str
    here: bool
    models: list[list[Row]]


@require_safe
@catalog_reader
def browse(request: SlipwayRequest) -> HttpResponse:
    """`/`: everything about what is shown stands in the URL."""
    filters, problems = read_filters(request.GET)
    refused = {problem.field for problem in problems} & request.GET.keys()
    mine = member_of(request)
    groups = queries.read_groups(mine, filters)
    known = [*groups, *queries.read_values(mine)] if filters.q else groups  # what the text leaves out stays, with 0
    total = facets.count(groups, filters)
    page = show(request.GET.get("after", ""), lambda cursor: queries.read_page(mine, filters, cursor))
    connections = tuple(usable_connections(request.standing.account))
    rows = with_html(rows_for_template(page.rows, connections), flat=bool(filters.sort))
    here = reverse("catalog")
    context = {
        "section": "catalog",
        "filters": filters,
        "problems": [f"{TITLES.get(problem.field, problem.field)}: {problem.description}" for problem in problems],
        "total": facets.shown(total),
        "total_models": len({row["model_pk"] for row in page.rows}) if page.is_whole else None,
        "facets": [_facet(name, filters, groups, known, request.GET if name in refused else {}) for name in SIDE],
        "chips": facets.chips(filters),
        "sorts": _sorts(filters),
        "families": [] if filters.sort else _families(rows),
        "rows": rows if filters.sort else [],
        "loosenings": [] if total else _loosenings(mine, groups, filters),
        **page.links(lambda cursor: here + filters.query(after=cursor)),
    }
    template = "catalog/browse.html#results" if _wants_fragment(request) else "catalog/browse.html"
    response = render(request, template, context)
    return push_url(response, here + filters.query(after=page.cursor)) if request.htmx else response


def _facet(
    name: str,
    filters: CatalogFilters,
    groups: Sequence[FacetBucket],
    known: Sequence[FacetBucket],
    typed: Mapping[str, str],
) -> dict[str, Any]:
    """A filter at the side, with what it offers; a bound that was refused stays as it was typed, to be put right."""
    return {
        "name": name,
        "title": TITLES[name],
        "options": facets.options(groups if name in BOUNDS else known, filters, name),
        "any": BOUND_HINTS.get(name, ""),
        "value": typed.get(name, "".join(filters.values(name))),
    }


def _wants_fragment(request: SlipwayRequest) -> bool:
    return bool(request.htmx) and not request.htmx.history_restore_request


def _families(rows: Sequence[Row]) -> list[Family]:
    """The rows under their headings; they come in that order."""
    return [
        Family(
            title=HERE if here else family,
            here=here,
            models=[list(model) for _, model in itertools.groupby(members, key=lambda row: row["model_pk"])],
        )
        for (here, family), members in itertools.groupby(
            rows, key=lambda row: (row["here"], "" if row["here"] else row["family"])
        )
    ]


def _sorts(filters: CatalogFilters) -> list[SortLink]:
    """The orders as links: by family, or by a column."""

    def address(sort: str) -> str:
        return reverse("catalog") + filters.sorted_by(sort).query()

    by_family = SortLink("Family", address(""), chosen=not filters.sort, down=False)
    return [by_family, *(column.link(filters.sort, address) for column in queries.SORTS)]


def _loosenings(mine: Collection[int], groups: Sequence[FacetBucket], filters: CatalogFilters) -> list[Loosening]:
    found = facets.loosenings(groups, filters)
    without_text = filters.without("q")
    if filters.q and (number := facets.count(queries.read_groups(mine, without_text), without_text)):
        found.append(Loosening(TITLES["q"], filters.q, number, without_text))
    return sorted(found, key=lambda loosening: -loosening.count)
