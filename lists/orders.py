"""Orders of lists, and their pages by keyset.

A page begins behind the values that the last row of the page before had in the order's columns. So it costs the same
wherever it is, and rows that are made, changed or deleted meanwhile shift nothing. The values travel signed: whoever
changes them, or brings them to another order, is told that there is no such page.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.core.signing import BadSignature, Signer
from django.db.models import F, Model, Q, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan

from lists.pages import NoSuchPage, Page

PAGE = 50
FEW = 2_000
"""Rows that are sorted sooner than found in order among a hundred thousand."""

Found = TypeVar("Found", bound=Model)
Place = Sequence[Any]
"""The values of an order's columns, of the row that a page begins behind."""


@dataclass(frozen=True)
class Order:
    """Columns in turn, each a path of the ORM, with a - before it where it runs down; no two rows share the last one.

    Rows whose first column is null come last whichever way it runs, where `nulls` says that there may be any.
    """

    columns: tuple[str, ...]
    nulls: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        """The columns without their directions."""
        return tuple(column.removeprefix("-") for column in self.columns)

    @property
    def turned(self) -> Order:
        """The same, the other way round; nulls are still last."""
        columns = tuple(c.removeprefix("-") if c.startswith("-") else f"-{c}" for c in self.columns)
        return Order(columns, self.nulls)

    def beyond(self, place: Place) -> Q:
        """Rows behind the place. None of its values is null."""
        down = [column.startswith("-") for column in self.columns]
        if len(down) > 1 and len(set(down)) == 1:
            # Compared as a row, which an index starts from even where many rows share the first value.
            behind_row = TupleLessThan if down[0] else TupleGreaterThan
            return Q(behind_row(Tuple(*map(F, self.paths)), tuple(place)))
        behind = Q()
        for depth, path in enumerate(self.paths):
            same = dict(zip(self.paths[:depth], place, strict=False))
            behind |= Q(**same, **{f"{path}__{'lt' if down[depth] else 'gt'}": place[depth]})
        return behind

    def place_of(self, row: Any) -> Place:
        """Where the row stands: one of a model, or of `values()`."""
        return [_value(row, path) for path in self.paths]

    def cursor(self, place: Place, question: Sequence[str] = ()) -> str:
        """The cursor of the page behind the place; `question` is all that must be the same when it comes back."""
        return self._signer(question).sign_object(list(place))

    def place(self, cursor: str, question: Sequence[str] = ()) -> Place:
        """What the cursor was made of. Errors: `NoSuchPage`."""
        try:
            place: Place = self._signer(question).unsign_object(cursor)
        except BadSignature:
            raise NoSuchPage from None
        return place

    def _signer(self, question: Sequence[str]) -> Signer:
        return Signer(salt=json.dumps(["lists.cursor", self.columns, list(question)]))


def page_of(
    rows: QuerySet[Any, Any], order: Order, cursor: str, *, size: int = PAGE, question: Sequence[str] = ()
) -> Page[Any]:
    """A page of the rows in that order. Errors: `NoSuchPage`."""
    found: list[Any] = []
    for part in _parts(rows, order, order.place(cursor, question) if cursor else None):
        if len(found) <= size:
            found += part[: size + 1 - len(found)]
    return page_from(found, order, size=size, question=question)


def page_from(found: Sequence[Any], order: Order, *, size: int, question: Sequence[str] = ()) -> Page[Any]:
    """The page that begins with these rows, of which one more than it has room for was read where there are so many."""
    more = order.cursor(order.place_of(found[size - 1]), question) if len(found) > size else ""
    return Page(found[:size], more)


def behind(rows: QuerySet[Found], order: Order, row: Found) -> QuerySet[Found]:
    """The rows behind that one, in that order, which has no nulls."""
    return rows.filter(order.beyond(order.place_of(row))).order_by(*order.columns)


def count_up_to(rows: QuerySet[Any, Any], most: int) -> int:
    """How many rows there are, counted up to one more than `most`."""
    return rows.order_by().values("pk")[: most + 1].count()


def few_by_key(rows: QuerySet[Any, Any], wanted: Q) -> Q:
    """`wanted`, as the keys of the rows that it wants where those are few: FEW at most.

    For what Postgres can but guess the number of, such as a text: where it guesses too many, it goes through the list
    in its order, past all that have it not. Asked for without an order, they are found by their index.
    """
    keys = list(rows.filter(wanted).order_by().values_list("pk", flat=True)[: FEW + 1])
    return wanted if len(keys) > FEW else Q(pk__in=keys)


def _parts(rows: QuerySet[Any, Any], order: Order, place: Place | None) -> list[QuerySet[Any, Any]]:
    """What is behind the place, in order. Nulls are a query of their own, so that both read an index from its place."""
    rows = rows.order_by(*order.columns)
    if not order.nulls:
        return [rows.filter(order.beyond(place)) if place else rows]
    first, rest = order.paths[0], Order(order.columns[1:])
    known = rows.filter(**{f"{first}__isnull": False})
    unknown = rows.filter(**{f"{first}__isnull": True}).order_by(*rest.columns)
    if place is None:
        return [known, unknown]
    if place[0] is None:
        return [unknown.filter(rest.beyond(place[1:]))]
    return [known.filter(order.beyond(place)), unknown]


def _value(row: Any, path: str) -> Any:
    value = row[path] if isinstance(row, dict) else functools.reduce(getattr, path.split("__"), row)
    return value.isoformat() if isinstance(value, datetime) else value
