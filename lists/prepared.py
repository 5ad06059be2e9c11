"""Queries that are the same but for their values, of which the ORM writes the SQL once in each process.

To write the SQL of a query of one row takes Django several times as long as Postgres takes to answer it, and Postgres
longer to plan it than to run it. So each connection that has run it a few times has it prepared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from operator import itemgetter
from threading import Lock
from typing import Any, Generic, TypeVar, cast

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.models import BooleanField, Count, Field, QuerySet, Value
from django.db.models.expressions import Combinable, Expression
from django.db.models.lookups import Lookup
from django.db.models.query import (
    FlatValuesListIterable,
    ValuesIterable,
    ValuesListIterable,
    get_related_populators,
)
from django.db.models.sql.compiler import SQLCompiler
from psycopg import RawCursor, sql

Row = TypeVar("Row")


@dataclass(frozen=True)
class GivenPlace:
    """Where a value goes among the parameters of the SQL."""

    name: str


class Given(Expression):
    """A value that is given at each run of the query by this name; None equals nothing, as in SQL."""

    def __init__(self, name: str, field: Field[Any, Any]) -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, tuple[Any, ...]]:  # noqa: ARG002 (Django's)
        """Its place."""
        return "%s", (self.place,)

    @property
    def place(self) -> GivenPlace:
        """What stands for it among the parameters of SQL that is written by hand."""
        return GivenPlace(self.name)


class Among(Lookup[bool]):
    """A condition: that a column is one of the values of a list that is given."""

    def __init__(self, column: Combinable, given: Given) -> None:
        super().__init__(column, given)

    output_field = BooleanField()

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """As an array, so that the SQL is the same however many there are."""
        column, column_params = self.process_lhs(compiler, connection)
        values, value_params = self.process_rhs(compiler, connection)
        return f"{column} = ANY{values}", (*column_params, *value_params)


def counted(rows: QuerySet[Any, Any]) -> QuerySet[Any, int]:
    """The query of one row that says how many rows there are."""
    of_all = rows.order_by().values(all=Value(1)).annotate(number=Count("*"))
    number: QuerySet[Any, int] = of_all.values_list("number", flat=True)
    return number


@dataclass(frozen=True)
class _Written(Generic[Row]):
    """A query with its SQL, "" where nothing is to be asked, how its columns are read, and what is made of each row."""

    using: str
    text: str = ""
    places: tuple[GivenPlace, ...] = ()
    read: Callable[[list[Any]], Iterable[Sequence[Any]]] = iter
    make: Callable[[Sequence[Any]], Row] = tuple  # type: ignore[assignment]


class Prepared(Generic[Row]):
    """The query that `build` makes, whose values are `Given`; it is made at its first run.

    A value goes to the database as it is, so it has to be what a column of that kind holds. Rows are instances,
    dictionaries, tuples or single values; nothing is prefetched, nor known of the object that a manager belongs to.
    """

    def __init__(self, build: Callable[[], QuerySet[Any, Row]]) -> None:
        self._build = build
        self._writing = Lock()

    def rows(self, **given: Any) -> list[Row]:
        """What it finds. Errors: `KeyError` where a value is missing."""
        written = self._written
        if not written.text:
            return []
        values = tuple(given[place.name] for place in written.places)
        with ServerBound(connections[written.using]).cursor() as cursor:  # this thread's
            cursor.execute(written.text, values)
            found = cursor.fetchall()
        return [written.make(row) for row in written.read(found)]

    def first(self, **given: Any) -> Row | None:
        """The first of the rows that it finds; None where there is none."""
        return next(iter(self.rows(**given)), None)

    @cached_property
    def _written(self) -> _Written[Row]:
        # What Django writes the SQL of it changes meanwhile, and from Python 3.12 on threads may be here at once.
        with self._writing:
            return self._write()

    def _write(self) -> _Written[Row]:
        queryset = self._build()
        compiler = queryset.query.get_compiler(queryset.db)
        try:
            text, params = compiler.as_sql()
        except EmptyResultSet:  # what is among no values; nothing is asked then
            return _Written(queryset.db)
        places = tuple(param for param in params if isinstance(param, GivenPlace))
        columns = [column for column, *_ in compiler.select[: compiler.col_count]]
        converters = compiler.get_converters(columns)
        read = partial(compiler.apply_converters, converters=converters) if converters else iter
        return _Written(queryset.db, _with_constants(text, params), places, read, _maker(queryset, compiler))


def _maker(queryset: QuerySet[Any, Any], compiler: SQLCompiler) -> Callable[[Sequence[Any]], Any]:
    """What makes of a row that was read what Django's own query answers with. What it looks up for that it looks up for
    each query anew, which takes longer than to make a row.
    """
    if queryset._iterable_class is ValuesIterable:
        names = tuple(queryset.query.selected or ())
        return lambda row: dict(zip(names, row, strict=False))  # behind them comes what only the order needs
    if queryset._iterable_class is FlatValuesListIterable:
        return itemgetter(0)
    if queryset._iterable_class is ValuesListIterable:
        return lambda row: tuple(row[: compiler.col_count])
    return _model_maker(queryset.db, compiler)


def _model_maker(using: str, compiler: SQLCompiler) -> Callable[[Sequence[Any]], Any]:
    """The instance of a row, with those that are selected with it, and its annotations."""
    klass_info = cast(dict[str, Any], compiler.klass_info)
    first, last = klass_info["select_fields"][0], klass_info["select_fields"][-1] + 1
    names = [column.target.attname for column, *_ in compiler.select[first:last]]
    related = get_related_populators(klass_info, compiler.select, using)  # type: ignore[call-arg]
    annotations = tuple((compiler.annotation_col_map or {}).items())

    def make(row: Sequence[Any]) -> Any:
        found = klass_info["model"].from_db(using, names, row[first:last])
        for populator in related:
            populator.populate(row, found)
        for name, place in annotations:
            setattr(found, name, row[place])
        return found

    return make


class ServerBound:
    """A connection, whose cursors leave it to Postgres to put the values in their places."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def cursor(self) -> Any:
        """With the errors of the connection's own, and where queries are logged that one, since it logs the values."""
        if self._connection.queries_logged:
            return self._connection.cursor()
        self._connection.ensure_connection()
        return self._connection._prepare_cursor(ServerBindingCursor(self._connection.connection))  # type: ignore[call-arg]

    def raw_cursor(self) -> Any:
        """Of SQL whose places are $1, $2: of another that is long psycopg does not keep where they are."""
        self._connection.ensure_connection()
        return self._connection._prepare_cursor(RawCursor(self._connection.connection))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


_PLACE = re.compile("%s|%%")


def _with_constants(text: str, params: Sequence[Any]) -> str:
    """The SQL with all params that are no `GivenPlace` in it: of these Postgres knows when it plans, as of an index's
    condition.
    """
    rest = iter(params)

    def fill(found: re.Match[str]) -> str:
        param = next(rest) if found[0] == "%s" else None
        if found[0] != "%s" or isinstance(param, GivenPlace):
            return found[0]
        return sql.Literal(param).as_string().replace("%", "%%")

    return _PLACE.sub(fill, text)
