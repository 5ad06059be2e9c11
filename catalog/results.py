"""What the catalog page answers to a question: filters with their counts, and a page of shapes, as HTML.

Both steps are kept in the memory of the process: what the database says for as long as the catalog has the same
revision, and the HTML for as long as the shapes of the page run in the same places, too. The revision is asked for
before all else, so what is kept may be newer than its key and is never older: nobody is shown what was before a write.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from catalog import facets
from catalog.facet_queries import read_groups, read_values
from catalog.facets import FacetBucket, Loosening
from catalog.fields.snapshots import Snapshot
from catalog.filters import BOUNDS, IN_ORDER, TITLES, CatalogFilters
from catalog.places import Whereabouts
from catalog.revision import revision
from catalog.rows import row_html, with_words
from catalog.shape_queries import SORTS, Row, read_page
from lists.filters import SortLink
from lists.pages import show
from lists.rendered import rendered

KEPT_ANSWERS = 32
"""A quarter of a megabyte each, and their HTML as much."""
KEPT_FACETS = 6 * KEPT_ANSWERS
COMPARED = 4
"""Shapes of a base model, by the link in its row."""
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
    models: list[ModelGroup]


@dataclass(frozen=True)
class ModelGroup:
    """The shapes of a base model, below a row of its own."""

    rows: list[Row]

    @property
    def heading(self) -> tuple[bool, str]:
        """Whether it stands first, among what runs on this machine; else its family."""
        first = self.rows[0]
        return first["here"], "" if first["here"] else first["family"]

    @property
    def head(self) -> SafeString:
        """That row; a few of the shapes can be compared from there."""
        first = self.rows[0]
        return rendered(
            "catalog/model.html",
            title=first["title"],
            architecture_label=first["architecture_label"],
            model_name=first["model_name"],
            shapes=tuple((row["account"], row["identifier"]) for row in self.rows[:COMPARED]),
        )


def find_answer(question: CatalogQuestion) -> CatalogAnswer:
    """The answer as it is now."""
    current = revision()
    return _kept_answer(current, question) if current else _answer(question)


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
    groups = read_groups(mine, filters)
    known = [*groups, *read_values(mine)] if filters.q else groups  # what the text leaves out stays, with 0
    total = facets.count(groups, filters)
    page = show(question.cursor, lambda cursor: read_page(mine, filters, cursor))
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
) -> SafeString:
    """A filter at the side, with what it offers; a bound that was refused stays as it was typed, to be put right."""
    options = tuple(facets.options(groups if name in BOUNDS else known, filters, name))
    shown: dict[str, Hashable] = {"name": name, "title": TITLES[name], "options": options}
    if name not in BOUNDS:
        return _facet_html("catalog/facet.html", **shown)
    value = typed.get(name, "".join(filters.values(name)))
    return _facet_html("catalog/bound.html", any=BOUND_HINTS[name], value=value, **shown)


@lru_cache(KEPT_FACETS)
def _facet_html(template: str, **shown: Hashable) -> SafeString:
    """As HTML, which most writes leave as it is: hundreds of values took half of the time of the first view after."""
    return render_to_string(template, shown)


def _families(rows: Sequence[Row]) -> list[Family]:
    """The rows under their headings; they come in that order."""
    models = [ModelGroup(list(model)) for _, model in itertools.groupby(rows, key=lambda row: row["model_pk"])]
    return [
        Family(title=HERE if here else family, here=here, models=list(members))
        for (here, family), members in itertools.groupby(models, key=lambda model: model.heading)
    ]


def _sorts(filters: CatalogFilters) -> list[SortLink]:
    """The orders as links: by family, or by a column."""

    def address(sort: str) -> str:
        return reverse("catalog") + filters.sorted_by(sort).query()

    by_family = SortLink("Family", address(""), chosen=not filters.sort, down=False)
    return [by_family, *(column.link(filters.sort, address) for column in SORTS)]


def _loosenings(mine: frozenset[int], groups: Sequence[FacetBucket], filters: CatalogFilters) -> list[Loosening]:
    found = facets.loosenings(groups, filters)
    without_text = filters.without("q")
    if filters.q and (number := facets.count(read_groups(mine, without_text), without_text)):
        found.append(Loosening(TITLES["q"], filters.q, number, without_text))
    return sorted(found, key=lambda loosening: -loosening.count)
