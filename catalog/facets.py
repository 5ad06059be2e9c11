"""Count what each filter would leave, given the other filters. Pure: groups of like shapes in, counts out."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter
from typing import NamedTuple
from urllib.parse import quote

from catalog.filters import BOUNDS, FACETS, TITLES, CatalogFilters, Facet
from catalog.labels import context_label, least_context

EXACT_UP_TO = 10_000
_PLACES = {facet.name: place for place, facet in enumerate(FACETS)}


class FacetBucket(NamedTuple):
    """Shapes that are alike in everything that is filtered by, free text aside (all of them match it)."""

    values: tuple[str, ...]
    """Of each facet."""
    tokens: int
    gpus: int
    here: bool
    """Whether a connection of this machine may run a shape of their base models."""
    shapes: int
    first: int = 0
    """Smallest position of their base models; families are listed by it."""

    def of(self, name: str) -> str:
        """The value of that facet."""
        return self.values[_PLACES[name]]


@dataclass(frozen=True)
class FacetOption:
    """One value of a filter and how many shapes it leaves under the other filters."""

    value: str
    label: str
    count: int
    chosen: bool

    @property
    def element(self) -> str:
        """The value as the end of an element's id, which no other value has."""
        return quote(self.value, safe="")

    @property
    def shown(self) -> str:
        """The count as it is shown."""
        return shown(self.count)


@dataclass(frozen=True)
class Chip:
    """One value of a filter in force, in words, and the filters without it."""

    title: str
    label: str
    filters: CatalogFilters


@dataclass(frozen=True)
class Loosening:
    """One filter without which there would be results, how many, and the filters without it."""

    title: str
    label: str
    count: int
    filters: CatalogFilters

    @property
    def shown(self) -> str:
        """The count as it is shown."""
        return shown(self.count)


def passes(group: FacetBucket, filters: CatalogFilters, *, ignoring: str = "") -> bool:
    """Whether the group's shapes pass all filters but the ignored one."""
    for name, wanted in filters.chosen.items():
        if wanted and name != ignoring and group.of(name) not in wanted:
            return False
    if ignoring != "context" and group.tokens < filters.least_tokens:
        return False
    return ignoring == "gpus" or filters.gpus is None or group.gpus <= filters.gpus


def passing(groups: Sequence[FacetBucket], filters: CatalogFilters, *, ignoring: str = "") -> Sequence[FacetBucket]:
    """The groups that pass: as a rule no filter is in force, or one that asks for its own counts."""
    if set(filters.active) <= {ignoring, "q"}:
        return groups
    return [group for group in groups if passes(group, filters, ignoring=ignoring)]


def count(groups: Sequence[FacetBucket], filters: CatalogFilters, *, ignoring: str = "") -> int:
    """Shapes that pass all filters but the ignored one."""
    return sum(group.shapes for group in passing(groups, filters, ignoring=ignoring))


def options(groups: Sequence[FacetBucket], filters: CatalogFilters, name: str) -> list[FacetOption]:
    """The values of one filter with their counts; chosen ones are there even where nothing has them.

    An architecture that nobody knows is no value to filter by.
    """
    if name in BOUNDS:
        return _bounds(groups, filters, name)
    facet, chosen = FACETS[_PLACES[name]], filters.values(name)
    counts = dict.fromkeys((*_in_order(groups, facet), *chosen), 0)
    for group in passing(groups, filters, ignoring=name):
        if (value := group.of(name)) in counts:
            counts[value] += group.shapes
    return [FacetOption(value, facet.label(value), number, value in chosen) for value, number in counts.items()]


def loosenings(groups: Sequence[FacetBucket], filters: CatalogFilters) -> list[Loosening]:
    """Single filters whose removal gives results, the one that gives most first. Free text is not among them."""
    found = []
    for name in filters.active:
        if name != "q" and (number := count(groups, filters, ignoring=name)):
            found.append(Loosening(TITLES[name], chosen_label(filters, name), number, filters.without(name)))
    return sorted(found, key=lambda loosening: -loosening.count)


def chips(filters: CatalogFilters) -> list[Chip]:
    """One for each value of each filter in force."""
    return [
        Chip(TITLES[name], label_of(name, value), filters.without(name, value))
        for name in filters.active
        for value in filters.values(name)
    ]


def chosen_label(filters: CatalogFilters, name: str) -> str:
    """What was chosen for one filter, in words."""
    return ", ".join(label_of(name, value) for value in filters.values(name))


def label_of(name: str, value: str) -> str:
    """One value in words."""
    return FACETS[_PLACES[name]].label(value) if name in _PLACES else value


def shown(number: int) -> str:
    """A count as it is shown: exact to 10,000, then "10,000+"."""
    return f"{number:,}" if number <= EXACT_UP_TO else f"{EXACT_UP_TO:,}+"


def _in_order(groups: Sequence[FacetBucket], facet: Facet) -> list[str]:
    """The values that there are; what says nothing is none."""
    if facet.always:
        return list(facet.always)
    alike = dict.fromkeys((group.of(facet.name), group.first, group.here) for group in groups)
    ranked = sorted(alike, key=lambda each: facet.rank(*each))
    return [value for value in dict.fromkeys(value for value, _, _ in ranked) if value]


def _bounds(groups: Sequence[FacetBucket], filters: CatalogFilters, name: str) -> list[FacetOption]:
    size = attrgetter("gpus" if name == "gpus" else "tokens")
    left = sorted(passing(groups, filters, ignoring=name), key=size)
    sizes = [size(group) for group in left]
    sums = list(accumulate((group.shapes for group in left), initial=0))
    if name == "gpus":
        limits = {group.gpus for group in groups} | ({filters.gpus} if filters.gpus is not None else set())
        return [
            FacetOption(str(most), str(most), sums[bisect_right(sizes, most)], most == filters.gpus)
            for most in sorted(limits)
        ]
    labels = {context_label(tokens) for tokens in {group.tokens for group in groups}}
    labels |= {filters.context} if filters.context else set()
    return [
        FacetOption(label, label, sums[-1] - sums[bisect_left(sizes, least)], label == filters.context)
        for least, label in sorted((least_context(label), label) for label in labels)
    ]
