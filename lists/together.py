"""New rows of several tables, written together: by one statement, of which Django writes the SQL once in each process.

Saved one by one, each row waits for an answer of the database, and Django takes longer to write its SQL than Postgres
to run it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Field, Model
from django.db.models.expressions import DatabaseDefault

from lists.prepared import ServerBound

AnyField = Field[Any, Any]


@dataclass(frozen=True)
class _Form:
    """What the SQL of a row depends on: its table, and its columns by what is to become of them.

    given      told
    references refer to a row before it, by that row's place
    left       set by the database
    """

    table: str
    given: tuple[str, ...]
    references: tuple[tuple[str, int], ...]
    left: tuple[str, ...]


@dataclass
class _Sorted:
    """A row, and what is to become of each of its fields."""

    row: Model
    given: dict[str, Any] = field(default_factory=dict)
    references: list[tuple[AnyField, int]] = field(default_factory=list)
    left: list[AnyField] = field(default_factory=list)

    @property
    def form(self) -> _Form:
        references = tuple((str(each.column), place) for each, place in self.references)
        left = tuple(str(each.column) for each in self.left)
        return _Form(self.row._meta.db_table, tuple(self.given), references, left)


def write_together(*rows: Model) -> None:
    """Insert them, each of which may refer to those before it, though these have no keys yet.

    As after `save` they have their keys, which are called `id`, and what else the database set by itself; but no
    signals are sent. Errors: as `save`, and then none is written.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    found = [_sort(row, rows[:place], connection) for place, row in enumerate(rows)]
    values = [value for each in found for value in each.given.values()]
    with ServerBound(connection).raw_cursor() as cursor:
        cursor.execute(_sql(tuple(each.form for each in found)), values)
        told = iter(cursor.fetchone())
    for each in found:
        for left in each.left:
            setattr(each.row, left.attname, next(told))
        for reference, place in each.references:
            setattr(each.row, reference.attname, rows[place].pk)
        each.row._state.adding, each.row._state.db = False, connection.alias


def _sort(row: Model, before: Sequence[Model], connection: Any) -> _Sorted:
    found = _Sorted(row)
    for each in row._meta.local_concrete_fields:
        value = each.pre_save(row, True)
        if isinstance(value, DatabaseDefault):
            found.left.append(each)
        elif value is not None:
            found.given[str(each.column)] = each.get_db_prep_save(value, connection)
        elif each.primary_key:
            found.left.append(each)
        elif each.is_relation and (place := _referred(row, each, before)) is not None:
            found.references.append((each, place))
        else:
            found.given[str(each.column)] = None
    return found


def _referred(row: Model, reference: AnyField, before: Sequence[Model]) -> int | None:
    """The place of the row that it refers to, where that is one of these."""
    other = reference.get_cached_value(row, None)  # type: ignore[attr-defined]
    return next((place for place, one in enumerate(before) if one is other), None)


@lru_cache
def _sql(forms: tuple[_Form, ...]) -> str:
    name = connections[DEFAULT_DB_ALIAS].ops.quote_name
    inserts, told, places = [], [], count(1)
    for number, form in enumerate(forms):
        columns = [*form.given, *(column for column, _ in form.references)]
        values = [f"${next(places)}" for _ in form.given]
        values += [f"(SELECT id FROM row_{place})" for _, place in form.references]  # noqa: S608
        insert = f"INSERT INTO {name(form.table)} ({', '.join(map(name, columns))}) VALUES ({', '.join(values)})"  # noqa: S608
        inserts.append(f"row_{number} AS ({insert} RETURNING {', '.join(map(name, form.left))})")
        told += [f"row_{number}.{name(column)}" for column in form.left]
    rows = ", ".join(f"row_{number}" for number in range(len(forms)))
    return f"WITH {', '.join(inserts)} SELECT {', '.join(told)} FROM {rows}"  # noqa: S608
