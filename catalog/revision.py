"""Which catalog this is, so that what was made of it can be kept."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet, Subquery, Sum, Value

from catalog.models import CatalogChange
from lists.prepared import Prepared


def revision() -> str:
    """Which catalog this is: another text after each write of its shapes and base models, and none comes twice.

    "" where nothing says it. What is made of the catalog after it was asked for may be newer than it, never older.
    """
    return str(_REVISION.first() or "")


def sum_of_changes() -> Subquery:
    """That as a number within another query, NULL where nothing says it."""
    return Subquery(_sum_of_changes())


def _sum_of_changes() -> QuerySet[CatalogChange, Any]:
    of_all = CatalogChange.objects.order_by().values(all=Value(1)).annotate(sum=Sum("number"))
    return of_all.values_list("sum", flat=True)


_REVISION = Prepared(_sum_of_changes)
