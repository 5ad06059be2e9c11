"""A dataset that a worker holds: how its row is written under the lease, and let go of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from datasets.domain.move_dataset import move
from datasets.models import Dataset
from datasets.states import DatasetState
from queues import leases


class DatasetOvertaken(Exception):
    """Another worker holds the row, or somebody deleted it."""


def held(lease: leases.Lease) -> Dataset:
    """The row, locked. Errors: `DatasetOvertaken`."""
    row = Dataset.objects.select_for_update().filter(pk=lease.pk, lease_token=lease.token).first()
    if row is None:
        raise DatasetOvertaken
    return row


def note(lease: leases.Lease, **columns: Any) -> None:
    """Write down how far it is. Errors: `DatasetOvertaken`, so that nobody works for nothing."""
    rows = Dataset.objects.filter(pk=lease.pk, lease_token=lease.token)
    if not rows.update(**columns):
        raise DatasetOvertaken


@transaction.atomic
def give_on(lease: leases.Lease, state: DatasetState, *, detail: str = "", **columns: Any) -> None:
    """Move it to the state and let go of it. Errors: `DatasetOvertaken`."""
    row = held(lease)
    for name, value in columns.items():
        setattr(row, name, value)
    now = timezone.now()
    move(row, state, now=now, detail=detail)
    row.give_back(due=now)
    row.save()


@transaction.atomic
def put_off(lease: leases.Lease, why: str) -> timedelta | None:
    """Let go of it until it is tried again. Answers when; None where it is another's."""
    try:
        row = held(lease)
    except DatasetOvertaken:
        return None
    row.failures, row.detail = row.failures + 1, why
    delay = leases.backoff(row.failures)
    row.give_back(due=timezone.now() + delay)
    row.save()
    return delay
