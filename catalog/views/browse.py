"""The catalog page: filters, counts and one page of shapes, whole or as the fragment that HTMX swaps."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe
from django_htmx.http import push_url

from accounts.requests import SlipwayRequest
from catalog import facets, queries
from catalog.facets import Loosening
from catalog.filters import BOUNDS, CHOICES, Filters
from catalog.forms import read_filters
from catalog.queries import Cursor, Row
from catalog.rows import dressed
from catalog.views.access import catalog_reader, member_of

HERE = "Runs on this machine"
_SORTS = (("name", "Name", "name"), ("context", "Context", "-context"), ("gpus", "GPUs", "gpus"))
_LARGEST = 2**63 - 1


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
    after = _read_cursor(request.GET.get("after", ""), filters)
    mine = member_of(request)
    groups = queries.read_groups(mine, filters)
    known = [*groups, *queries.read_values(mine)] if filters.q else groups  # what the text leaves out stays, with 0
    total = facets.count(groups, filters)
    page = queries.read_page(mine, filters, after)
    started_over = bool(request.GET.get("after")) and (after is None or not page.rows) and total > 0
    if started_over and after:
        after, page = None, queries.read_page(mine, filters, None)
    rows = [dressed(row) for row in page.rows]
    here = reverse("catalog")
    context = {
        "section": "catalog",
        "filters": filters,
        "problems": problems,
        "total": facets.shown(total),
        "total_models": facets.shown(queries.count_models(mine, filters)),
        "facets": {name: facets.options(known, filters, name) for name in CHOICES}
        | {name: facets.options(groups, filters, name) for name in BOUNDS},
        "started_over": started_over,
        "chips": facets.chips(filters),
        "sorts": _sorts(filters),
        "families": [] if filters.sort else _families(rows),
        "rows": rows if filters.sort else [],
        "loosenings": [] if total else _loosenings(mine, groups, filters),
        "next_url": here + filters.query(after=_write_cursor(page.next)) if page.next else "",
        "first_url": here + filters.query() if after else "",
    }
    template = "catalog/browse.html#results" if _wants_fragment(request) else "catalog/browse.html"
    response = render(request, template, context)
    return push_url(response, here + filters.query(after=_write_cursor(after))) if request.htmx else response


def _wants_fragment(request: SlipwayRequest) -> bool:
    return bool(request.htmx) and not request.htmx.history_restore_request


def _read_cursor(text: str, filters: Filters) -> Cursor | None:
    """The cursor of a URL; None (the first page) where it is none of this order."""
    value, _, pk = text.rpartition("~")
    if not _is_number(pk):
        return None
    if filters.sort.removeprefix("-") == "name":
        return (value.replace("\0", ""), int(pk)) if value else None
    return (int(value), int(pk)) if _is_number(value) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= _LARGEST


def _write_cursor(cursor: Cursor | None) -> str:
    return f"{cursor[0]}~{cursor[1]}" if cursor else ""


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


def _sorts(filters: Filters) -> list[dict[str, Any]]:
    """The orders as links; the one in force turns round."""
    links = [{"label": "Family", "url": reverse("catalog") + filters.sorted_by("").query(), "chosen": not filters.sort}]
    for name, label, start in _SORTS:
        chosen = filters.sort.removeprefix("-") == name
        turned = name if filters.sort.startswith("-") else f"-{name}"
        query = filters.sorted_by(turned if chosen else start).query()
        down = filters.sort.startswith("-")
        links.append({"label": label, "url": reverse("catalog") + query, "chosen": chosen, "down": down})
    return links


def _loosenings(mine: Collection[int], groups: Sequence[facets.Group], filters: Filters) -> list[Loosening]:
    found = facets.loosenings(groups, filters)
    without_text = filters.without("q")
    if filters.q and (number := facets.count(queries.read_groups(mine, without_text), without_text)):
        found.append(Loosening(facets.TITLES["q"], filters.q, number, without_text))
    return sorted(found, key=lambda loosening: -loosening.count)
