"""Rows of listed shapes: pages of the catalog, and what a shape's page shows beside it.

Every function takes the accounts (primary keys) that the reader is a member of.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import F, QuerySet

from catalog.filters import CatalogFilters
from catalog.matching import matching
from catalog.models import ShapeVersion, TrainingShape
from catalog.visibility import listed
from lists.filters import SortColumn
from lists.orders import Order, page_of
from lists.pages import Page

PAGE = 100
"""A page ends with the base model that holds its hundredth shape; a flat page has just this many."""
SPARE = 20
"""Shapes that are read beyond it, for as a rule the model ends among them and another one begins."""
_MODEL = "shape__base_model"
_COLUMNS = {
    "shape_pk": F("shape_id"),
    "account": F("shape__account__account_id"),
    "identifier": F("shape__shape_id"),
    "label": F("shape__display_name"),
    "id_source": F("shape__id_source"),
    "model_account": F(f"{_MODEL}__account__account_id"),
    "model": F(f"{_MODEL}__model_id"),
    "model_pk": F(f"{_MODEL}_id"),
    "model_position": F(f"{_MODEL}__position"),
    "title": F(f"{_MODEL}__title"),
    "family": F(f"{_MODEL}__family"),
    "section": F(f"{_MODEL}__section"),
    "architecture": F(f"{_MODEL}__architecture"),
    "here": F(f"{_MODEL}__runs_here"),
}
_PLAIN = ("trainer_mode", "max_context", "gpus", "accelerator_type", "deprecated_at", "snapshot")
BY_MODEL = Order((f"{_MODEL}__position", f"{_MODEL}_id"))
SORTS = (
    SortColumn("name", "Name", Order(("shape__shape_id", "shape_id"))),
    SortColumn("context", "Context", Order(("max_context", "shape_id")), down_first=True),
    SortColumn("gpus", "GPUs", Order(("gpus", "shape_id"))),
)
"""Of the flat list; else it is by family."""
ORDERS = {column.word: column.order for column in SORTS}
Row = dict[str, Any]


def read_page(member_of: Collection[int], filters: CatalogFilters, cursor: str = "") -> Page[Row]:
    """One page of matching shapes, grouped by base model unless another order is asked for. Errors: `NoSuchPage`."""
    matched = listed(member_of).filter(matching(filters))
    if not filters.sort:
        return _grouped_page(matched.values(*_PLAIN, *BY_MODEL.paths, **_COLUMNS), cursor)
    order = ORDERS[filters.sort.removeprefix("-")]
    rows = matched.values(*dict.fromkeys((*_PLAIN, *order.paths)), **_COLUMNS)
    return page_of(rows, order.turned if filters.sort.startswith("-") else order, cursor, size=PAGE)


def _grouped_page(rows: QuerySet[ShapeVersion, Row], cursor: str) -> Page[Row]:
    """Whole base models until there are PAGE shapes. One query, or three where a model has more than SPARE of them."""
    rows = rows.order_by(*BY_MODEL.columns, "shape__position", "shape_id")
    if cursor:
        rows = rows.filter(BY_MODEL.beyond(BY_MODEL.place(cursor)))
    found = list(rows[: PAGE + SPARE])
    if len(found) < PAGE:
        return Page(found, "")
    last = found[PAGE - 1]
    end = BY_MODEL.place_of(last)
    page = [row for number, row in enumerate(found) if number < PAGE or row["model_pk"] == last["model_pk"]]
    more = len(page) < len(found)
    if len(page) == PAGE + SPARE:
        page = [row for row in page if row["model_pk"] != last["model_pk"]]
        page += rows.filter(**{_MODEL: last["model_pk"]})
        more = rows.filter(BY_MODEL.beyond(end)).exists()
    return Page(page, BY_MODEL.cursor(end) if more else "")


def siblings(member_of: Collection[int], shape: TrainingShape) -> list[Row]:
    """Up to 50 other shapes of the same base model, in the catalog's order."""
    rows = listed(member_of).filter(shape__base_model=shape.base_model_id).exclude(shape=shape.pk)
    return _first_rows(rows)


def linking(member_of: Collection[int], version: ShapeVersion) -> list[Row]:
    """Up to 50 shapes whose latest version links that of a deployment shape, in the catalog's order."""
    return _first_rows(listed(member_of).filter(snapshot__deploymentShapeVersion=version.name))


def _first_rows(rows: QuerySet[ShapeVersion]) -> list[Row]:
    return list(rows.values(*_PLAIN, **_COLUMNS).order_by("shape__position", "shape_id")[:50])
