"""Base models that a reader may see: all of them, those that pass the filters, and one by its name.

Every function takes the accounts (primary keys) that the reader is a member of.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import BooleanField, Exists, OuterRef, Q, QuerySet, Subquery, Value

from catalog.filters import CatalogFilters
from catalog.matching import matching, named
from catalog.models import BaseModel, ShapeVersion
from catalog.visibility import listed, may_see
from wire.names import parse_model_name

NO_FILTERS = CatalogFilters()


def visible_models(member_of: Collection[int], filters: CatalogFilters = NO_FILTERS) -> QuerySet[BaseModel]:
    """Base models of the reader's accounts, and those that a shape which they may see is made for, in order.

    Of these, those that the free text names and that, where there are other filters, have a listed shape passing them.
    """
    seen = ShapeVersion.objects.filter(may_see(member_of), shape__base_model=OuterRef("pk"))
    # Not EXISTS, which Postgres would answer from a hash of all versions, made for a page of fifty models.
    is_seen = Subquery(seen.values(seen=Value(True))[:1], output_field=BooleanField())
    found = BaseModel.objects.filter(Q(account__in=list(member_of)) | Q(is_seen))
    return found.filter(models_matching(member_of, filters)).select_related("account").order_by("position", "pk")


def models_matching(member_of: Collection[int], filters: CatalogFilters) -> Q:
    """Base models that the free text names, with a listed shape that passes the other filters where there are any."""
    others = filters.without("q")
    if not others.active:
        return named(filters)
    passing = listed(member_of).filter(matching(others), shape__base_model=OuterRef("pk"))
    return named(filters) & Q(Exists(passing))


def find_model(member_of: Collection[int], name: str) -> BaseModel | None:
    """The base model that has that resource name, or else had it before, if it may be seen."""
    parsed = parse_model_name(name)
    if parsed is None:
        return None
    seen = visible_models(member_of).filter(account_slug=parsed[0])
    return seen.filter(model_id=parsed[1]).first() or seen.filter(former_ids__contains=[parsed[1]]).first()
