"""What the catalog page answers to a question: filters with their counts, and a page of shapes, as HTML.

Both steps are kept in the memory of the process: what the database says for as long as the catalog has the same
revision, and the HTML for as long as the shapes of the page run in the same places, too. The revision is asked for
before all else, so what is kept may be newer than its key and is never older: nobody is shown what was before a write.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from catalog import facets, queries
from catalog.facets import FacetBucket, Loosening
from catalog.fields.snapshots import Snapshot
from catalog.filters import BOUNDS, IN_ORDER, TITLES, CatalogFilters
from catalog.places import Whereabouts
from catalog.queries import Row
from catalog.rows import row_html, with_words
from lists.filters import SortLink
from lists.pages import show

KEPT_ANSWERS = 32
"""A quarter of a megabyte each, and their HTML as much."""
HERE = "Runs on this machine"
SIDE = [name for name in IN_ORDER if name != "q"]
BOUND_HINTS = {"context": "Any, or such as 200k", "gpus": "Any number"}


@dataclass(frozen=True)
class CatalogQuestion:
    """What a reader asks: `member_of` are their accounts' primary keys.

    Of what could not be read `problems` are the sentences, and `typed` the bounds by name as they were written.
    """

    member_of: frozenset[int]
    filters: CatalogFilters
    problems: tuple[str, ...]
    typed: tuple[tuple[str, str], ...]
    cursor: str


@dataclass(frozen=True, eq=False)
class CatalogAnswer:
    """What the database says: rows in words with their snapshots, and the rest of what the template shows.

    `cursor` is of the page that it came to.
    """

    filters: CatalogFilters
    cursor: str
    rows: Sequence[Row]
    snapshots: Sequence[Snapshot]
    rest: Mapping[str, Any]


@dataclass(frozen=True)
class Family:
    """One heading of the grouped page; `here` for what runs on this machine."""

    title: str
    here: bool
    models: list[list[Row]]


def find_answer(question: CatalogQuestion) -> CatalogAnswer:
    """The answer as it is now."""
    revision = queries.revision()
    return _kept_answer(revision, question) if revision else _answer(question)


@lru_cache(KEPT_ANSWERS)
def results_html(answer: CatalogAnswer, places: Sequence[Whereabouts]) -> SafeString:
    """All of the answer, and where each of its shapes runs. Of nothing but these: there is no request in it."""
    filters = answer.filters
    rows = [
        row | {"html": row_html(row, place, flat=bool(filters.sort))}
        for row, place in zip(answer.rows, places, strict=True)
    ]
    shown = {"rows": rows, "families": []} if filters.sort else {"rows": [], "families": _families(rows)}
    return render_to_string("catalog/results.html", {**answer.rest, "filters": filters, **shown})


@lru_cache(KEPT_ANSWERS)
def _kept_answer(revision: str, question: CatalogQuestion) -> CatalogAnswer:  # noqa: ARG001  (it is in the key)
    return _answer(question)


def _answer(question: CatalogQuestion) -> CatalogAnswer:
    mine, filters, typed = question.member_of, question.filters, dict(question.typed)
    groups = queries.read_groups(mine, filters)
    known = [*groups, *queries.read_values(mine)] if filters.q else groups  # what the text leaves out stays, with 0
    total = facets.count(groups, filters)
    page = show(question.cursor, lambda cursor: queries.read_page(mine, filters, cursor))
    here = reverse("catalog")
    rest = {
        "problems": question.problems,
        "total": facets.shown(total),
        "total_models": len({row["model_pk"] for row in page.rows}) if page.is_whole else None,
        "facets": [_facet(name, filters, groups, known, typed) for name in SIDE],
        "chips": facets.chips(filters),
        "sorts": _sorts(filters),
        "loosenings": [] if total else _loosenings(mine, groups, filters),
        **page.links(lambda cursor: here + filters.query(after=cursor)),
    }
    snapshots = [Snapshot.from_json(row["snapshot"]) for row in page.rows]
    return CatalogAnswer(filters, page.cursor, [with_words(row) for row in page.rows], snapshots, rest)


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


def _loosenings(mine: frozenset[int], groups: Sequence[FacetBucket], filters: CatalogFilters) -> list[Loosening]:
    found = facets.loosenings(groups, filters)
    without_text = filters.without("q")
    if filters.q and (number := facets.count(queries.read_groups(mine, without_text), without_text)):
        found.append(Loosening(TITLES["q"], filters.q, number, without_text))
    return sorted(found, key=lambda loosening: -loosening.count)
