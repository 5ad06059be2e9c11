"""Every list that is declared has an index for each of its orders, for what has no value, too: no page sorts a table.

At 100,000 rows tests/launches/test_indexes.py and its like show that Postgres takes them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from django.db.models import Model, Q
from django.db.models.expressions import OrderBy
from django.urls import get_resolver

from accounts.models import AuditEntry
from api.listing import Listing
from launches.models import Launch
from lists.filters import DeclaredList, SortColumn
from lists.orders import Order

APPS = ("accounts", "api", "catalog", "datasets", "deployments", "launches", "publishing")
Columns = tuple[str, ...]

NOT_INDEXED = {
    ("trainingShapeVersions", "name"): "of three tables; sorted where a program asks for it",
    ("trainingShapes", "name"): "of two tables; sorted where a program asks for it",
    ("trainingShapes", "create_time"): "of the shape, which has an index for it",
    ("deploymentShapeVersions", "name"): "as those of training shapes",
    ("deploymentShapes", "name"): "as those of training shapes",
    ("deploymentShapes", "create_time"): "as that of training shapes",
    ("Membership", "name"): "of two tables; an account has few members",
    ("checkpoints", "create_time"): "of one launch, which has few",
}
"""Orders that may sort, and why."""


def declared() -> Iterator[tuple[str, type[Model], Columns, Order]]:
    """Every order of every list that a module of the apps holds: its name, the model, what is fixed, and the order."""
    assert get_resolver().url_patterns
    seen = set()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in APPS:
            continue
        for found in list(vars(module).values()):
            if id(found) in seen or not isinstance(found, DeclaredList | Listing):
                continue
            seen.add(id(found))
            if isinstance(found, DeclaredList):
                for column in found.sorts:
                    if (found.model.__name__, column.word) in NOT_INDEXED:
                        continue
                    yield f"{found.model.__name__} by {column.word}", found.model, found.scope, column.order
            else:
                for word, asked in found.orders.items():
                    if (found.key, word) not in NOT_INDEXED:
                        order = Order((*asked.columns, found.tie))
                        yield f"{found.key} by {word}", found.model, found.scope, order


def indexes_of(model: type[Model]) -> Iterator[tuple[list[tuple[str, bool]], bool, Q | None]]:
    """The columns of each index, each with whether it runs down; whether it is unique; and its condition."""
    yield [("id", False)], True, None
    for index in model._meta.indexes:
        columns = [_column(each) for each in index.expressions] or [_plain(name) for name in index.fields]
        yield columns, False, index.condition
    for constraint in model._meta.total_unique_constraints:
        yield [(name, False) for name in constraint.fields], True, None
    for field in model._meta.fields:
        if field.unique:
            yield [(field.name, False)], True, None


def _plain(name: str) -> tuple[str, bool]:
    return name.removeprefix("-"), name.startswith("-")


def _column(expression: object) -> tuple[str, bool]:
    if isinstance(expression, OrderBy):
        return _column(expression.expression)[0], expression.descending
    return str(getattr(expression, "name", expression)), False


def lacks(model: type[Model], scope: Columns, order: Order) -> list[str]:
    """What of the order no index has."""
    parts = [(order.columns, "isnull', False")] if order.nulls else [(order.columns, "")]
    if order.nulls:
        parts.append((order.columns[1:], "isnull', True"))
    return [str(columns) for columns, only in parts if not _has_index(model, scope, columns, only)]


def _has_index(model: type[Model], scope: Columns, columns: Columns, only: str) -> bool:
    names = {"pk": "id"} | {field.attname: field.name for field in model._meta.concrete_fields}
    wanted = [(names.get(name, name), down) for name, down in map(_plain, (*scope, *columns))]
    for found, unique, condition in indexes_of(model):
        length = len(found) if unique else len(wanted)
        head, want = found[:length], wanted[:length]
        same = [name for name, _ in head] == [name for name, _ in want]
        turned = {have != asked for (_, have), (_, asked) in zip(head[len(scope) :], want[len(scope) :], strict=False)}
        if same and len(turned) <= 1 and only in str(condition):
            return True
    return False


def test_every_order_of_every_list_has_an_index() -> None:
    lists = list(declared())
    assert {"Launch by loss", "AuditEntry by age", "rlorTrainerJobs by create_time"} <= {name for name, *_ in lists}
    assert {name: missing for name, *order in lists if (missing := lacks(*order))} == {}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "order",
    [
        Order(("display_name", "pk")),
        Order(("run_seconds", "-pk")),
        Order(("-created_at",)),
        Order(("run_seconds", "pk"), nulls=True),
    ],
)
def test_an_order_without_an_index_is_found(order: Order) -> None:
    forgotten = DeclaredList(model=Launch, scope=("account",), sorts=(SortColumn("x", "X", order),))
    expected = order == Order(("-created_at",))  # the beginning of an index sorts, too
    assert (lacks(forgotten.model, forgotten.scope, order) == []) is expected
    assert lacks(AuditEntry, ("target",), order)
