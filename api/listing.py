"""Lists: filter, order, keyset pages with signed tokens, masks. One place for every resource."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, Q, QuerySet
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from api.refusals import invalid
from api.views import ResourceView, asked, read_mask
from lists import orders
from lists.orders import PAGE, count_up_to, page_of
from lists.pages import NoSuchPage, Page
from wire.filters import FREE_TEXT, FilterError, FilterField, FilterKind, Value, parse_filter
from wire.masks import MaskError, OrderBy, apply_mask, parse_order
from wire.numbers import read_whole

LARGEST_PAGE = 200
LARGEST_INT32 = 2**31 - 1
EXACT_UP_TO = 10_000
"""More than these are not counted: `totalSize` is left out then."""

_NOT_OF_THIS_REQUEST = (
    "The pageToken does not belong to this request. Send the same parameters as for the page before, or leave it out "
    "to start again."
)

Condition = Callable[[str, Value], Q]


@dataclass(frozen=True)
class Filterable:
    """A field that filters may name, and the condition that a comparison with it means."""

    field: FilterField
    condition: Condition


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


def column(name: str, kind: FilterKind, choices: tuple[str, ...] = ()) -> Filterable:
    """A field that is a column as it stands."""
    return Filterable(FilterField(kind, choices), lambda compared, value: compare(name, compared, value))


_LOOKUPS = {"=": "exact", "!=": "exact", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte", ":": "contains"}


def compare(name: str, operator_: str, value: Value) -> Q:
    """The condition that the column compares so; what is null is unequal to everything."""
    wanted = Q(**{f"{name}__{_LOOKUPS[operator_]}": value})
    return ~wanted if operator_ == "!=" else wanted


Part = tuple[QuerySet[Any], Listing]
"""Rows of a list that consists of several: the same filters and orders, of other tables."""


def answer_list(view: ResourceView, rows: QuerySet[Any], listing: Listing, *behind: Part) -> Response:
    """One page of `rows`, and of what comes behind the last of them, as the query parameters ask.

    Errors: `InvalidArgument` naming pageSize, pageToken, filter, orderBy or readMask.
    """
    request = view.request
    size = _page_size(asked(request, "pageSize"))
    mask = read_mask(request, listing.serializer)
    text = asked(request, "filter")
    order_text = asked(request, "orderBy") or listing.default_order
    question = [request.path, text, order_text, str(view.key.account_id)]
    parts = [(part.filter(_condition(text, of)), _order(order_text, of)) for part, of in ((rows, listing), *behind)]
    try:
        page = _page_across(parts, asked(request, "pageToken"), size, question)
    except NoSuchPage:
        raise invalid("pageToken", _NOT_OF_THIS_REQUEST) from None
    bodies = [apply_mask(dict(body), mask) for body in listing.serializer(page.rows, many=True).data]
    answer: dict[str, Any] = {listing.key: bodies, "nextPageToken": page.next}
    total = sum(count_up_to(part, EXACT_UP_TO) for part, _ in parts)
    if total <= EXACT_UP_TO:
        answer["totalSize"] = total
    return Response(answer)


def _page_across(
    parts: Sequence[tuple[QuerySet[Any], orders.Order]], token: str, size: int, question: Sequence[str]
) -> Page[Any]:
    """A page of the parts one after the other; a token stands behind a row of one of them. Errors: `NoSuchPage`."""
    found: list[Any] = []
    for number, (rows, order) in enumerate(parts):
        mine = [*question, *([str(number)] if number else [])]
        try:
            page = page_of(rows, order, token, size=size - len(found), question=mine)
        except NoSuchPage:  # the token is of a later part
            continue
        token = ""
        found += page.rows
        if len(found) == size:
            more = any(later.exists() for later, _ in parts[number + 1 :])
            return Page(found, page.next or (order.cursor(order.place_of(found[-1]), mine) if more else ""))
    if token:
        raise NoSuchPage
    return Page(found, "")


def _page_size(text: str) -> int:
    size = read_whole(text or 0)
    if size is None or not 0 <= size <= LARGEST_INT32:
        raise invalid("pageSize", f"{text[:40]!r} is no page size. Use 1 to {LARGEST_PAGE}.")
    return min(size, LARGEST_PAGE) or PAGE


def _condition(text: str, listing: Listing) -> Q:
    filters = dict(listing.filters)
    if search := listing.search:
        filters[FREE_TEXT] = Filterable(FilterField(FilterKind.TEXT), lambda _, value: search(str(value)))
    try:
        fields = {name: found.field for name, found in filters.items()}
        comparisons = parse_filter(text, fields)
    except FilterError as error:
        raise invalid("filter", f"{error}.") from None
    conditions = (filters[c.field].condition(c.operator, c.value) for c in comparisons)
    return functools.reduce(operator.and_, conditions, Q())


def _order(text: str, listing: Listing) -> orders.Order:
    try:
        asked_for: Sequence[OrderBy] = parse_order(text, listing.orders)
    except MaskError as error:
        raise invalid("orderBy", str(error)) from None
    signs = [("-" if each.descending else "", each.field) for each in asked_for]
    columns = [f"{sign}{name}" for sign, field in signs for name in listing.orders[field].columns]
    return orders.Order((*columns, f"{signs[-1][0]}{listing.tie}"))
