"""Lists: filter, order, keyset pages with signed tokens, masks. One place for every resource."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import F, Model, Q, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from api.refusals import invalid
from api.views import ResourceView, asked, read_mask
from wire.filters import FREE_TEXT, FilterError, FilterField, FilterKind, Value, parse_filter
from wire.masks import MaskError, Order, apply_mask, parse_order
from wire.numbers import read_whole
from wire.page_tokens import PageTokenError, read_token, write_token

PAGE, LARGEST_PAGE = 50, 200
LARGEST_INT32 = 2**31 - 1
EXACT_UP_TO = 10_000
"""More than these are not counted: `totalSize` is left out then."""

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
    """How a resource is listed: `key` is the name of the list in the answer."""

    key: str
    serializer: type[Serializer[Any]]
    filters: Mapping[str, Filterable]
    orders: Mapping[str, Sortable]
    default_order: str
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


def answer_list(view: ResourceView, rows: QuerySet[Any], listing: Listing) -> Response:
    """One page of `rows`, as the query parameters ask.

    Errors: `InvalidArgument` naming pageSize, pageToken, filter, orderBy or readMask.
    """
    request = view.request
    size = _page_size(asked(request, "pageSize"))
    mask = read_mask(request, listing.serializer)
    text = asked(request, "filter")
    order_text = asked(request, "orderBy") or listing.default_order
    question = [request.path, text, order_text, str(view.key.account_id)]
    matched = rows.filter(_condition(text, listing))
    keys = _sort_keys(order_text, listing)
    page = list(_after(matched, keys, asked(request, "pageToken"), question)[: size + 1])
    more, page = len(page) > size, page[:size]
    bodies = [apply_mask(dict(body), mask) for body in listing.serializer(page, many=True).data]
    answer: dict[str, Any] = {listing.key: bodies, "nextPageToken": _next(page[-1], keys, question) if more else ""}
    total = matched.order_by()[: EXACT_UP_TO + 1].count()
    if total <= EXACT_UP_TO:
        answer["totalSize"] = total
    return Response(answer)


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


SortKey = tuple[str, bool]
"""A column, and whether it runs down."""


def _sort_keys(text: str, listing: Listing) -> list[SortKey]:
    try:
        orders: Sequence[Order] = parse_order(text, listing.orders)
    except MaskError as error:
        raise invalid("orderBy", str(error)) from None
    keys = [(name, order.descending) for order in orders for name in listing.orders[order.field].columns]
    return [*keys, (listing.tie, keys[-1][1])]


def _after(rows: QuerySet[Any], keys: list[SortKey], token: str, question: list[str]) -> QuerySet[Any]:
    rows = rows.order_by(*(f"-{name}" if down else name for name, down in keys))
    if not token:
        return rows
    try:
        cursor = read_token(token, question=question, key=_signing_key())
    except PageTokenError as error:
        raise invalid("pageToken", str(error)) from None
    if len({down for _, down in keys}) == 1:
        # compared as a row, which an index starts from even where many rows share the first value
        beyond_row = TupleLessThan if keys[0][1] else TupleGreaterThan
        return rows.filter(beyond_row(Tuple(*(F(name) for name, _ in keys)), tuple(cursor)))
    beyond = Q()
    for depth, (name, down) in enumerate(keys):
        same = {earlier: cursor[place] for place, (earlier, _) in enumerate(keys[:depth])}
        beyond |= Q(**same, **{f"{name}__{'lt' if down else 'gt'}": cursor[depth]})
    return rows.filter(beyond)


def _next(row: Model, keys: list[SortKey], question: list[str]) -> str:
    return write_token([_value(row, name) for name, _ in keys], question=question, key=_signing_key())


def _value(row: Any, name: str) -> Any:
    value = functools.reduce(getattr, name.split("__"), row)
    return value.isoformat() if isinstance(value, datetime) else value


def _signing_key() -> bytes:
    return f"api.page_token:{settings.SECRET_KEY}".encode()
