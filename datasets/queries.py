"""Reads of datasets."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from django.conf import settings
from django.db.models import Q, QuerySet, Sum

from accounts.models import Account
from datasets.models import Dataset
from datasets.states import KEPT, DatasetState
from lists.orders import PAGE, Order, page_of
from lists.pages import Page

LIVING = ~Q(state=DatasetState.DELETED)
FOR_WORKERS = Q(state=DatasetState.CHECKING) | (Q(state=DatasetState.UPLOADING) & ~Q(source_path=""))
"""Those of which a worker has something to do."""
NEWEST_FIRST = Order(("-created_at", "-pk"))
GIGABYTE = 1024**3
_LARGE = ("findings", "samples", "lengths")


def living_datasets(account: Account) -> QuerySet[Dataset]:
    """The account's, with all that an answer shows; those that were deleted are gone."""
    rows = Dataset.objects.filter(LIVING, account=account).defer("samples", "lengths")
    return rows.select_related("account", "owner", "connection")


def ready_datasets(account: Account) -> QuerySet[Dataset]:
    """What can be trained on, the newest first."""
    rows = Dataset.objects.filter(account=account, state=DatasetState.READY).defer(*_LARGE)
    return rows.select_related("account").order_by("-created_at", "-pk")


def list_datasets(
    member_of: Collection[int], wanted: Q = LIVING, order: Order = NEWEST_FIRST, cursor: str = "", *, size: int = PAGE
) -> Page[Dataset]:
    """A page of those of the accounts (primary keys). Errors: `NoSuchPage`."""
    rows = Dataset.objects.filter(wanted, account__in=list(member_of)).defer(*_LARGE)
    return page_of(rows.select_related("account", "owner"), order, cursor, size=size)


def find_dataset(member_of: Collection[int], uid: uuid.UUID) -> Dataset | None:
    """The dataset, deleted ones too, where it belongs to one of the accounts."""
    rows = Dataset.objects.filter(account__in=list(member_of), uid=uid)
    return rows.select_related("account", "owner", "connection").first()


def used_bytes(account: Account) -> int:
    """What counts against the account's quota: uploads with all of their announced size."""
    rows = Dataset.objects.filter(account=account, state__in=sorted(KEPT))
    return rows.aggregate(used=Sum("size_bytes"))["used"] or 0


def quota_bytes() -> int:
    """What an account may keep."""
    return int(settings.SLIPWAY_DATASETS_GB) * GIGABYTE
