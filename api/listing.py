"""Lists: filter, order, keyset pages with signed tokens, masks. One place for every resource."""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.db.models import Model, Q, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpResponse
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from api.refusals import invalid
from api.views import ResourceView, asked, one_of, read_mask
from lists import orders
from lists.orders import PAGE, count_up_to, few_by_key, page_from, page_of
from lists.pages import NoSuchPage, Page
from lists.prepared import Prepared
from wire.filters import FREE_TEXT, FilterError, FilterField, FilterKind, Value, parse_filter
from wire.masks import MaskError, OrderBy, apply_mask, parse_order
from wire.numbers import read_whole

LARGEST_PAGE = 200
LARGEST_INT32 = 2**31 - 1
EXACT_UP_TO = 10_000
"""More than these are not counted: `totalSize` is left out then."""
REMEMBERED_SECONDS, MOST_REMEMBERED = 60, 1_000
_long: dict[Hashable, float] = {}
"""Lists that had more than that lately, by what was asked, and until when that counts."""
MOST_WRITTEN = 128
_written: dict[Hashable, Prepared[Any]] = {}
"""The queries of first pages, by what was asked: programs ask the same again and again, as for a model's shapes."""
MOST_KEPT = 64
"""Some 70 kB each, of 50 rows."""
_kept: dict[Hashable, tuple[bytes, float]] = {}
"""Answers as they were sent and until when, by what was asked and the revision of what they are made of."""

_NOT_OF_THIS_REQUEST = (
    "The pageToken does not belong to this request. Send the same parameters as for the page before, or leave it out "
    "to start again."
)

Condition = Callable[[str, Value], Q]


@dataclass(frozen=True)
class Filterable:
    """A field that filters may name, and the condition that a comparison with it means.

    `worked_out` are the columns of the condition that the table does not have, and what each of them is. What it may be
    `supposed` to mean, where something is remembered of the value, asks less beforehand: the rows that this lets
    through are those of the condition, and where it lets none through the condition is asked.
    """

    field: FilterField
    condition: Condition
    worked_out: Mapping[str, Combinable] = dataclasses.field(default_factory=dict)
    supposed: Callable[[str, Value], Q | None] = lambda _, value: None  # noqa: ARG005 (called by position)


@dataclass(frozen=True)
class Sortable:
    """A field to order by: the columns it stands for (none of them null), and how they are read from a row."""

    columns: tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """How a resource is listed: `key` is the name of the list in the answer, `model` that of its rows.

    Every query of the list fixes the columns of `scope`, so an index for each order begins with them.
    """

    key: str
    model: type[Model]
    serializer: type[Serializer[Any]]
    filters: Mapping[str, Filterable]
    orders: Mapping[str, Sortable]
    default_order: str
    scope: tuple[str, ...] = ()
    tie: str = "pk"
    """The column that no two rows share: it settles what the order leaves open."""
    search: Callable[[str], Q] | None = None
    """The condition that a text by itself means in a filter; None where that is refused."""
    read: Callable[[Sequence[Any]], Sequence[Any]] = lambda rows: rows
    """Makes of a page's rows what the serializer writes."""

    @functools.cached_property
    def comparable(self) -> Mapping[str, Filterable]:
        """What a filter may compare; the text by itself, too, where that is searched for."""
        if (search := self.search) is None:
            return self.filters
        text = Filterable(FilterField(FilterKind.TEXT), lambda _, value: search(str(value)))
        return {**self.filters, FREE_TEXT: text}

    @functools.cached_property
    def comparable_fields(self) -> Mapping[str, FilterField]:
        """They as fields."""
        return {name: found.field for name, found in self.comparable.items()}


def column(name: str, kind: FilterKind, choices: tuple[str, ...] = ()) -> Filterable:
    """A field that is a column as it stands."""
    return Filterable(FilterField(kind, choices), lambda compared, value: compare(name, compared, value))


_LOOKUPS = {"=": "exact", "!=": "exact", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte", ":": "contains"}


def compare(name: str, operator_: str, value: Value) -> Q:
    """The condition that the column compares so; what is null is unequal to everything."""
    wanted = Q(**{f"{name}__{_LOOKUPS[operator_]}": value})
    return ~wanted if operator_ == "!=" else wanted


Rows = Callable[[], QuerySet[Any]]
"""How the rows of a list are asked for: a query that depends on the request's path and on the key's account alone."""
Part = tuple[Rows, Listing]
"""Rows of a list that consists of several: the same filters and orders, of other tables."""


def answer_list(view: ResourceView, rows: Rows, listing: Listing, *behind: Part, revision: str = "") -> HttpResponse:
    """One page of `rows`, and of what comes behind the last of them, as the query parameters ask.

    `revision` says which one all is of that the answer is made of, "" where nobody knows: the answer is kept for as
    long as that is the same. It was read before all else, so what is kept may be newer than that and is never older.
    Errors: `InvalidArgument` naming pageSize, pageToken, filter, orderBy or readMask.
    """
    request = view.request
    size = _page_size(asked(request, "pageSize"))
    mask = read_mask(request, listing.serializer)
    text, token = asked(request, "filter"), asked(request, "pageToken")
    order_text = asked(request, "orderBy") or listing.default_order
    question = [request.path, text, order_text, str(view.key.account_id)]
    place = (revision, listing.key, *question, token, size, mask)
    if revision and (kept := _kept.get(place)) and kept[1] > time.monotonic():
        return HttpResponse(kept[0], content_type=JSONRenderer.media_type)
    parts = [
        _AskedPart(each, of, text, _order(order_text, of), (of.key, number, *question))
        for number, (each, of) in enumerate([(rows, listing), *behind])
    ]
    try:
        page = _page_across(parts, token, size, question)
    except NoSuchPage:
        raise invalid("pageToken", _NOT_OF_THIS_REQUEST) from None
    write = one_of(listing.serializer).to_representation
    answer: dict[str, Any] = {
        listing.key: [apply_mask(write(row), mask) for row in listing.read(page.rows)],
        "nextPageToken": page.next,
    }
    is_whole = not page.next and not token
    question_of_all = (request.path, text, view.key.account_id)
    total, until = (len(page.rows), math.inf) if is_whole else _total(parts, question_of_all)
    if total <= EXACT_UP_TO:
        answer["totalSize"] = total
    if not revision:
        return Response(answer)
    if len(_kept) >= MOST_KEPT:
        _kept.clear()
    body = orjson.dumps(answer)
    _kept[place] = body, until
    return HttpResponse(body, content_type=JSONRenderer.media_type)


@dataclass(frozen=True)
class _AskedPart:
    """A part of a list, of whose rows the filter `text` lets some through; `asked_for` is all that they depend on."""

    rows: Rows
    listing: Listing
    text: str
    order: orders.Order
    asked_for: Hashable

    @functools.cached_property
    def found(self) -> QuerySet[Any]:
        """What the filter lets through, in no order. Errors: `InvalidArgument`."""
        return _matching(self.rows(), _read_filter(self.text, self.listing))

    def page(self, token: str, size: int, room: int, question: Sequence[str]) -> Page[Any]:
        """The rows behind the token for which there is `room` on the list's page of `size`.

        Errors: `NoSuchPage`; `InvalidArgument` where the text is no filter.
        """
        wanted = None if token else _read_filter(self.text, self.listing, suppose=True)
        if wanted is None or wanted.is_guessed:
            return page_of(self.found, self.order, token, size=room, question=question)
        found = self._first_rows(wanted, size)
        if wanted.is_supposed and not found:
            found = self._first_rows(_read_filter(self.text, self.listing), size)
        return page_from(found[: room + 1], self.order, size=room, question=question)

    def _first_rows(self, wanted: _ReadFilter, size: int) -> list[Any]:
        """The first rows, and one more than a page has, by a query that is written once."""
        place = (self.asked_for, size, wanted.condition)
        if (written := _written.get(place)) is None:
            rows = _matching(self.rows(), wanted).order_by(*self.order.columns)[: size + 1]
            if len(_written) >= MOST_WRITTEN:
                _written.clear()
            written = _written[place] = Prepared(lambda: rows)
        return written.rows()


def _total(parts: Sequence[_AskedPart], question: Hashable) -> tuple[int, float]:
    """How many rows match, or more than `EXACT_UP_TO`, and until when that is believed though rows may change.

    Where it was more, it is counted anew only once in a while (monotonic seconds).

    Whoever walks through a long list asks at each page, and to count so far takes longer than the page.
    """
    now = time.monotonic()
    if (until := _long.get(question, 0)) > now:
        return EXACT_UP_TO + 1, until
    total = sum(count_up_to(part.found, EXACT_UP_TO) for part in parts)
    if total > EXACT_UP_TO:
        if len(_long) >= MOST_REMEMBERED:
            _long.clear()
        _long[question] = now + REMEMBERED_SECONDS
    return total, math.inf


def _page_across(parts: Sequence[_AskedPart], token: str, size: int, question: Sequence[str]) -> Page[Any]:
    """A page of the parts one after the other; a token stands behind a row of one of them. Errors: `NoSuchPage`."""
    found: list[Any] = []
    for number, part in enumerate(parts):
        mine = [*question, *([str(number)] if number else [])]
        try:
            page = part.page(token, size, size - len(found), mine)
        except NoSuchPage:  # the token is of a later part
            continue
        token = ""
        found += page.rows
        if len(found) == size:
            more = any(later.found.exists() for later in parts[number + 1 :])
            return Page(found, page.next or (part.order.cursor(part.order.place_of(found[-1]), mine) if more else ""))
    if token:
        raise NoSuchPage
    return Page(found, "")


def _page_size(text: str) -> int:
    size = read_whole(text or 0)
    if size is None or not 0 <= size <= LARGEST_INT32:
        raise invalid("pageSize", f"{text[:40]!r} is no page size. Use 1 to {LARGEST_PAGE}.")
    return min(size, LARGEST_PAGE) or PAGE


@dataclass(frozen=True)
class _ReadFilter:
    """What a filter lets through; `is_guessed` where Postgres can but guess how many rows that are, and `is_supposed`
    where it may let none through because what was remembered is no longer so.
    """

    condition: Q
    worked_out: Mapping[str, Combinable]
    is_guessed: bool
    is_supposed: bool


def _read_filter(text: str, listing: Listing, *, suppose: bool = False) -> _ReadFilter:
    """What the text means, or may be supposed to. Errors: `InvalidArgument`."""
    filters = listing.comparable
    try:
        comparisons = parse_filter(text, listing.comparable_fields)
    except FilterError as error:
        raise invalid("filter", f"{error}.") from None
    supposed = [filters[c.field].supposed(c.operator, c.value) if suppose else None for c in comparisons]
    conditions = (
        filters[c.field].condition(c.operator, c.value) if condition is None else condition
        for c, condition in zip(comparisons, supposed, strict=True)
    )
    worked_out = {name: what for c in comparisons for name, what in filters[c.field].worked_out.items()}
    is_guessed = any(c.field == FREE_TEXT for c in comparisons)
    is_supposed = any(condition is not None for condition in supposed)
    return _ReadFilter(functools.reduce(operator.and_, conditions, Q()), worked_out, is_guessed, is_supposed)


def _matching(rows: QuerySet[Any], wanted: _ReadFilter) -> QuerySet[Any]:
    """The rows that the filter lets through."""
    among = rows.alias(**wanted.worked_out)
    found: QuerySet[Any] = among.filter(few_by_key(among, wanted.condition) if wanted.is_guessed else wanted.condition)
    return found


def _order(text: str, listing: Listing) -> orders.Order:
    try:
        asked_for: Sequence[OrderBy] = parse_order(text, listing.orders)
    except MaskError as error:
        raise invalid("orderBy", str(error)) from None
    signs = [("-" if each.descending else "", each.field) for each in asked_for]
    columns = [f"{sign}{name}" for sign, field in signs for name in listing.orders[field].columns]
    return orders.Order((*columns, f"{signs[-1][0]}{listing.tie}"))
